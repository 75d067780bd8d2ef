"""tf.data, which decodes only the part of a JPEG that is cropped."""

import os

import tensorflow as tf

from experiments.benchmark.workloads import Arrays, Precision, Workload

AHEAD = 8
"""Number of batches that are read ahead: tuned by tf.data, they grew to 5 GB between two turns."""


class TfDataPipeline:
    """See `experiments.benchmark.workloads.Pipeline`."""

    def __init__(self, workload: Workload, data: Arrays, batch_size: int, precision: Precision):
        """Builds the graph of the pipeline."""
        side = workload.input_shape[0]

        def read(file: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            content = tf.io.read_file(file)
            begin, size, _ = tf.image.sample_distorted_bounding_box(
                tf.image.extract_jpeg_shape(content),
                tf.zeros([1, 0, 4]),
                area_range=(0.08, 1.0),
                aspect_ratio_range=(3 / 4, 4 / 3),
                max_attempts=10,
                use_image_if_no_bounding_boxes=True,
            )
            window = tf.concat([begin[:2], size[:2]], 0)
            image = tf.image.decode_and_crop_jpeg(content, window, channels=3)
            return tf.cast(tf.image.resize(image, (side, side)), tf.uint8), label

        files = tf.data.Dataset.from_tensor_slices((data["file"], data["label"]))
        files = files.shuffle(len(data["file"])).repeat()
        batches = files.map(read, num_parallel_calls=tf.data.AUTOTUNE)
        batches = batches.batch(batch_size, drop_remainder=True).prefetch(AHEAD)
        options = tf.data.Options()
        options.threading.private_threadpool_size = int(os.environ["OMP_NUM_THREADS"])
        self._batches = iter(batches.with_options(options))

    def read(self, batches: int) -> None:
        """See `experiments.benchmark.workloads.Pipeline`."""
        for _ in range(batches):
            next(self._batches)
