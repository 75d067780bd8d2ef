"""ResNet and ViT against the transformers library's with the same weights: the logits.

Its parts stand for the field's own: ResNets whose bottlenecks have their stride in the 3x3
convolution, and Vision Transformers with a class token and learned positions.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.models.resnet import RESNETS
from jaxdl.models.vit import VITS

pytestmark = pytest.mark.peers

IMAGES = np.random.default_rng(0).normal(size=(2, 224, 224, 3)).astype(np.float32)
NUM_CLASSES = 1000


def randomise(variables):
    """Values around those of a fresh model, so that no scale is 0 and no statistic trivial."""
    random = np.random.default_rng(1)

    def change(path, leaf):
        values = np.asarray(leaf)
        if path[-1].key == "var":
            return values * random.uniform(0.5, 2, values.shape).astype(np.float32)
        return values + 0.1 * random.normal(size=values.shape).astype(np.float32) * (
            values.std() if values.ndim > 1 and values.any() else 1
        )

    return jax.tree_util.tree_map_with_path(change, variables)


def assert_same_logits(model, variables, peer, weights):
    torch = pytest.importorskip("torch")
    state = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()}
    missing, unexpected = peer.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    with torch.no_grad():
        expected = peer.eval()(torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).copy())).logits.numpy()
    logits = jax.jit(lambda variables: model.apply(variables, IMAGES, train=False))(variables)
    largest = np.abs(expected).max()
    assert largest > 0.1
    np.testing.assert_allclose(logits, expected, atol=1e-4 * largest)


def resnet_weights(variables, stage_sizes):
    params, stats = variables["params"], variables["batch_stats"]
    weights = {}

    def put(name, params, stats, index):
        kernel, norm = params[f"Conv_{index}"]["kernel"], params[f"BatchNorm_{index}"]
        running = stats[f"BatchNorm_{index}"]
        weights[f"{name}.convolution.weight"] = kernel.transpose(3, 2, 0, 1)
        weights[f"{name}.normalization.weight"] = norm["scale"]
        weights[f"{name}.normalization.bias"] = norm["bias"]
        weights[f"{name}.normalization.running_mean"] = running["mean"]
        weights[f"{name}.normalization.running_var"] = running["var"]

    put("resnet.embedder.embedder", params, stats, 0)
    kind = next(name for name in params if "Block" in name).split("_")[0]
    places = [(stage, layer) for stage, size in enumerate(stage_sizes) for layer in range(size)]
    for number, (stage, layer) in enumerate(places):
        block = f"{kind}_{number}"
        name = f"resnet.encoder.stages.{stage}.layers.{layer}"
        num_layers = 2 if kind == "BasicBlock" else 3
        for index in range(num_layers):
            put(f"{name}.layer.{index}", params[block], stats[block], index)
        if f"Conv_{num_layers}" in params[block]:
            put(f"{name}.shortcut", params[block], stats[block], num_layers)
    weights["classifier.1.weight"] = params["Dense_0"]["kernel"].T
    weights["classifier.1.bias"] = params["Dense_0"]["bias"]
    return weights


@pytest.mark.parametrize("depth", [18, 50])
def test_the_logits_of_a_resnet(depth):
    transformers = pytest.importorskip("transformers")
    model = RESNETS[depth](num_classes=NUM_CLASSES)
    variables = randomise(
        jax.jit(lambda key: model.init(key, IMAGES, train=False))(jax.random.key(0))
    )
    widen = 4 if depth == 50 else 1
    peer = transformers.ResNetForImageClassification(
        transformers.ResNetConfig(
            layer_type="bottleneck" if depth == 50 else "basic",
            depths=list(model.stage_sizes),
            hidden_sizes=[64 * widen * 2**stage for stage in range(4)],
            num_labels=NUM_CLASSES,
        )
    )
    assert_same_logits(model, variables, peer, resnet_weights(variables, model.stage_sizes))


def vit_weights(params, size):
    weights = {
        "vit.embeddings.cls_token": params["token"],
        "vit.embeddings.position_embeddings": params["positions"],
        "vit.embeddings.patch_embeddings.projection.weight": params["embedding"]["kernel"]
        .reshape(16, 16, 3, size)
        .transpose(3, 2, 0, 1),
        "vit.embeddings.patch_embeddings.projection.bias": params["embedding"]["bias"],
    }

    def put(name, kernel, bias):
        weights[f"{name}.weight"] = kernel.reshape(-1, bias.size).T
        weights[f"{name}.bias"] = bias.reshape(-1)

    def put_norm(name, norm):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = norm["scale"], norm["bias"]

    for index in range(12):
        block, name = params[f"EncoderBlock_{index}"], f"vit.layers.{index}"
        attention, projection = (
            block["SelfAttention_0"],
            block["SelfAttention_0"]["query_key_value"],
        )
        for number, letter in enumerate("qkv"):
            kernel = projection["kernel"][:, number].reshape(size, size)
            put(f"{name}.attention.{letter}_proj", kernel, projection["bias"][number])
        put(f"{name}.attention.o_proj", attention["output"]["kernel"], attention["output"]["bias"])
        put(f"{name}.mlp.fc1", block["Dense_0"]["kernel"], block["Dense_0"]["bias"])
        put(f"{name}.mlp.fc2", block["Dense_1"]["kernel"], block["Dense_1"]["bias"])
        put_norm(f"{name}.layernorm_before", block["LayerNorm_0"])
        put_norm(f"{name}.layernorm_after", block["LayerNorm_1"])
    put_norm("vit.layernorm", params["LayerNorm_0"])
    put("classifier", params["Dense_0"]["kernel"], params["Dense_0"]["bias"])
    return weights


def test_the_logits_of_a_vision_transformer():
    transformers = pytest.importorskip("transformers")
    model = VITS["base"](num_classes=NUM_CLASSES)
    variables = jax.jit(lambda key: model.init(key, jnp.asarray(IMAGES), train=False))(
        jax.random.key(0)
    )
    variables = randomise(variables)
    peer = transformers.ViTForImageClassification(
        transformers.ViTConfig(
            num_labels=NUM_CLASSES, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6
        )
    )
    assert_same_logits(model, variables, peer, vit_weights(variables["params"], 768))
