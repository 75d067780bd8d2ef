import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxdl.pretrained.preprocessing import AS_TORCHVISION, CAFFE


def test_caffe_is_blue_first_minus_the_mean_of_each_channel():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 3))
    expected = pixels[..., ::-1] - np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(CAFFE(jnp.asarray(pixels) / 255), expected, atol=1e-3)


def test_torchvision_subtracts_the_mean_and_divides_by_the_standard_deviation():
    pixels = np.random.default_rng(0).random((2, 3, 3, 3), np.float32)
    expected = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(AS_TORCHVISION(pixels), expected, atol=1e-5)


def test_a_photograph_is_cropped_to_its_middle(tmp_path):
    photograph = np.zeros((80, 160, 3), np.uint8)
    photograph[:, 40:120] = 100  # the central square
    photograph[5:75, 45:115] = 200  # the central square with 7/8 of its side
    Image.fromarray(photograph).save(tmp_path / "a.png")
    image = AS_TORCHVISION.read(tmp_path / "a.png")
    assert image.shape == (224, 224, 3)
    assert (image == 200).all()
