"""Trains the workloads in PyTorch: as most users write it, and in forms that it recommends.

The latter (from PyTorch's performance tuning guide, and the notes of its optimizers) have a fused
optimizer, and on a GPU let cuDNN choose algorithms by timing; one has the channels last in memory,
one is compiled, on a GPU into CUDA graphs. Images are converted to float32 on the device once, in
advance; texts have neither padding nor masks.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from experiments.benchmark.torch_models import CLASSIFIERS, discriminator, generator
from experiments.benchmark.workloads import NOISE_SIZE, Arrays, Contestant, Precision, Workload

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
torch.set_float32_matmul_precision("high")  # TF32 on a GPU that has it, as in XLA


def build(
    workload: Workload,
    data: Arrays,
    batch_size: int,
    precision: Precision,
    tuned: bool = False,
    memory_format: torch.memory_format = torch.contiguous_format,
    compiled: bool = False,
) -> Contestant:
    """Builds a model, by default one that PyTorch runs eagerly.

    Args:
      workload: model and optimizer.
      data: the examples.
      batch_size: number of examples in a step.
      precision: precision of the model.
      tuned: whether the optimizer is fused, and cuDNN chooses algorithms by timing.
      memory_format: memory format of the images and kernels.
      compiled: whether ``torch.compile`` compiles it, on a GPU into CUDA graphs.

    Raises:
      NotImplementedError: channels are to be last, but the inputs are texts.
    """
    if memory_format == torch.channels_last and workload.input != "image":
        raise NotImplementedError("texts have no channels")
    is_gan = workload.name == "gan"
    models = [generator(), discriminator()] if is_gan else [CLASSIFIERS[workload.name]()]
    models = [model.to(DEVICE, memory_format=memory_format) for model in models]
    if compiled:
        mode = "reduce-overhead" if DEVICE == "cuda" else None
        models = [torch.compile(model, mode=mode) for model in models]
    torch.backends.cudnn.benchmark = tuned
    optimizer = {"fused": True} if tuned else {}
    inputs = torch.from_numpy(data[workload.input])
    if workload.input == "image":
        inputs = inputs.permute(0, 3, 1, 2).to(DEVICE, torch.float32) / 255
        inputs = inputs.contiguous(memory_format=memory_format)
    labels = torch.from_numpy(data["label"]).to(DEVICE, torch.int64)
    autocast = torch.autocast(DEVICE, torch.bfloat16, enabled=precision != "float32")
    if is_gan:
        return AdversarialPair(*models, inputs * 2 - 1, batch_size, autocast, optimizer)
    inputs = inputs.to(DEVICE)
    return Classifier(workload, *models, inputs, labels, batch_size, autocast, optimizer)


build_fused = partial(build, tuned=True)
build_channels_last = partial(build_fused, memory_format=torch.channels_last)
build_compiled = partial(build_fused, compiled=True)


class Classifier:
    """Trains a classifier, with a single logit for two classes."""

    def __init__(
        self,
        workload: Workload,
        model: nn.Module,
        inputs: torch.Tensor,
        labels: torch.Tensor,
        batch_size: int,
        autocast: torch.autocast,
        optimizer: dict[str, bool],
    ):
        self.parameters = count_parameters(model)
        self.model = model
        self.autocast = autocast
        self.example_batch = inputs[:batch_size]
        self.loss = functional.cross_entropy
        if workload.num_classes == 2:
            self.loss = functional.binary_cross_entropy_with_logits
            labels = labels.float()
        self.batches = random_batches(inputs, labels, batch_size=batch_size)
        if workload.optimizer == "adam":
            self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **optimizer)
        else:
            self.optimizer = torch.optim.SGD(
                model.parameters(), lr=0.1, momentum=0.9, nesterov=True, **optimizer
            )

    def train(self, steps: int) -> None:
        """Makes a number of train steps and waits for the last."""
        self.model.train()
        for _ in range(steps):
            inputs, labels = next(self.batches)
            self.optimizer.zero_grad()
            with self.autocast:
                loss = self.loss(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()
        wait()

    def predict(self) -> None:
        """Computes the logits of one batch and waits for them."""
        self.model.eval()
        with torch.inference_mode(), self.autocast:
            self.model(self.example_batch)
        wait()


class AdversarialPair:
    """Trains a GAN, updating its networks in turn as in PyTorch's DCGAN tutorial."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        images: torch.Tensor,
        batch_size: int,
        autocast: torch.autocast,
        optimizer: dict[str, bool],
    ):
        self.parameters = count_parameters(generator) + count_parameters(discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.batches = random_batches(images, batch_size=batch_size)
        self.noise_shape = (batch_size, NOISE_SIZE)
        self.example_noise = torch.randn(self.noise_shape, device=DEVICE)
        self.autocast = autocast
        self.generator_optimizer, self.discriminator_optimizer = (
            torch.optim.Adam(model.parameters(), lr=2e-4, betas=(0.5, 0.999), **optimizer)
            for model in (generator, discriminator)
        )

    def train(self, steps: int) -> None:
        """Makes a number of train steps of both networks and waits for the last."""
        self.generator.train()
        for _ in range(steps):
            (images,) = next(self.batches)
            self._train_both(images)
        wait()

    def _train_both(self, images: torch.Tensor) -> None:
        self.discriminator_optimizer.zero_grad()
        self._loss(images, real=True).backward()
        with self.autocast:
            fakes = self.generator(torch.randn(self.noise_shape, device=DEVICE))
        self._loss(fakes.detach(), real=False).backward()
        self.discriminator_optimizer.step()

        self.generator_optimizer.zero_grad()
        self._loss(fakes, real=True).backward()
        self.generator_optimizer.step()

    def _loss(self, images: torch.Tensor, real: bool) -> torch.Tensor:
        """Returns the loss of the discriminator's logits if all images are real, or all fake."""
        with self.autocast:
            logits = self.discriminator(images)
            targets = torch.full_like(logits, float(real))
            return functional.binary_cross_entropy_with_logits(logits, targets)

    def predict(self) -> None:
        """Generates one batch of images and waits for them."""
        self.generator.eval()
        with torch.inference_mode(), self.autocast:
            self.generator(self.example_noise)
        wait()


def count_parameters(model: nn.Module) -> int:
    """Counts trainable values, without the second bias ("bias_hh") of a recurrent layer."""
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and "bias_hh" not in name
    )


def random_batches(*tensors: torch.Tensor, batch_size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yields the batches of endless random permutations, without a smaller last one in each."""
    examples = len(tensors[0])
    while True:
        order = torch.randperm(examples, device=DEVICE)[: examples // batch_size * batch_size]
        for indices in order.split(batch_size):
            yield tuple(tensor[indices] for tensor in tensors)


def wait() -> None:
    """Waits until the device has finished."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
