"""Compares outputs and gradients of recurrent layers with PyTorch's, with the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.models.rnn import RecurrentLayer

pytestmark = pytest.mark.peers

TIME, BATCH, WIDTH, FEATURES = 12, 3, 5, 4


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_outputs_and_gradients_equal_those_of_pytorch(cell, reverse):
    torch = pytest.importorskip("torch")
    inputs = np.random.default_rng(0).normal(size=(TIME, BATCH, WIDTH)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(TIME, BATCH, FEATURES)).astype(np.float32)

    layer = RecurrentLayer(cell, FEATURES, reverse)
    mask = jnp.ones((TIME, BATCH), bool)
    params = layer.init(jax.random.key(0), inputs, mask)["params"]
    hidden, pull_back = jax.vjp(
        lambda params, inputs: layer.apply({"params": params}, inputs, mask), params, inputs
    )
    params_gradient, inputs_gradient = pull_back(weights)

    peer = {"simple": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    peer = peer(WIDTH, FEATURES)
    ours = [params["input"]["kernel"].T, params["kernel"].T, np.zeros_like(params["bias"])]
    with torch.no_grad():
        for parameter, value in zip(peer.parameters(), [*ours, params["bias"]], strict=True):
            parameter.copy_(torch.from_numpy(np.array(value)))
    order = slice(None, None, -1 if reverse else 1)
    peer_inputs = torch.from_numpy(inputs[order].copy()).requires_grad_()
    peer_hidden, _ = peer(peer_inputs)
    peer_hidden.backward(torch.from_numpy(weights[order].copy()))

    def assert_close(ours, peers):
        np.testing.assert_allclose(ours, peers, rtol=1e-4, atol=1e-5)

    input_kernel, kernel, _, bias = (p.grad.numpy() for p in peer.parameters())
    assert_close(hidden, peer_hidden.detach().numpy()[order])
    assert_close(inputs_gradient, peer_inputs.grad.numpy()[order])
    assert_close(params_gradient["input"]["kernel"], input_kernel.T)
    assert_close(params_gradient["kernel"], kernel.T)
    assert_close(params_gradient["bias"], bias)
