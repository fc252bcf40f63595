"""Instrumentors: spans for circuits that run through Cirq, Qiskit, Qiskit IBM Runtime, Amazon Braket and PennyLane.

Each module here patches one library and imports it when it is itself imported, so none is imported from here.
"""
