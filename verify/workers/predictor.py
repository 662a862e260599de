"""The Paddle model as deployment runs it: a saved program in Paddle's inference engine. Loaded in its worker only."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import inference

from convert.arrays import Array
from convert.errors import FerryError, shown
from convert.regular import scratch_folder
from verify.images.quiet import quiet_libraries


class Predictor:
    """A model, saved as `paddle.jit.save` saves it and read by the engine; on a CPU it computes with oneDNN.

    The program is for images of any number, height and width. Its files go when the engine has read them.

    Args:
        model: float32, in inference mode.
        channels: of an image.
        device: "cpu" or "gpu:N".
        threads: of its math on a CPU.

    Raises:
        FerryError: the program cannot be saved, or the engine does not take it.
    """

    def __init__(self, model: Any, *, channels: int, device: str, threads: int) -> None:
        batch = paddle.static.InputSpec([None, channels, None, None], "float32")
        with scratch_folder() as folder, quiet_libraries():
            try:
                paddle.jit.save(model, str(folder / "model"), input_spec=[batch])
                self._engine = inference.create_predictor(_config(str(folder), device, threads))
            except Exception as error:  # whatever Paddle's tracing and its engine raise of a model
                raise FerryError(
                    f"--engine inference: paddle {paddle.__version__} cannot run this model as a saved program: "
                    f"{shown(error, 300)}; without the option the model itself is run"
                ) from error
        self._input = self._engine.get_input_handle(self._engine.get_input_names()[0])
        self._output = self._engine.get_output_handle(self._engine.get_output_names()[0])

    def forward(self, batch: Array) -> Array:
        """Logits (N, num_classes) of a batch (N, C, H, W), both float32."""
        self._input.reshape(list(batch.shape))
        self._input.copy_from_cpu(batch)
        self._engine.run()
        logits: Array = self._output.copy_to_cpu()
        return logits


def _config(folder: str, device: str, threads: int) -> Any:
    config = inference.Config(folder, "model")
    config.disable_glog_info()
    if device == "cpu":
        config.disable_gpu()
        config.set_cpu_math_library_num_threads(threads)
        config.enable_mkldnn()  # oneDNN, by its former name, which versions before 3.1 have alone
    else:
        config.enable_use_gpu(100, int(device.partition(":")[2]))  # MB to begin with; it takes more as it needs it
    return config
