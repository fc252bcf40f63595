"""A training loop in PennyLane: each epoch and its loss, each gradient and what it runs."""

from __future__ import annotations

from typing import Any

import pennylane as qml
from pennylane import numpy as np

import eigenspan


def train(epochs: int = 3, step: float = 0.4) -> float:
    """The loss after training one angle to flip a qubit."""

    @qml.qnode(qml.device("default.qubit", wires=1), diff_method="parameter-shift")
    def loss(angle: Any) -> Any:
        qml.RX(angle, wires=0)
        return qml.expval(qml.Z(0))

    angle = np.array(0.5, requires_grad=True)
    value = 1.0
    with (
        eigenspan.workflow("classifier", version="0.3", correlation_id="train-1", workload_class="research"),
        eigenspan.spans.training(
            training_model_name="flip", training_type="hybrid", training_epoch_count=epochs
        ) as training,
    ):
        for index in range(epochs):
            with eigenspan.spans.epoch(training_epoch_index=index) as epoch:
                angle = angle - step * qml.grad(loss)(angle)
                value = float(loss(angle))
                epoch.set(training_epoch_loss=value)
        training.set(training_final_loss=value)
    return value


if __name__ == "__main__":
    eigenspan.setup("training")
    print(train())
    eigenspan.shutdown()
