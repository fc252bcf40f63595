"""Instrumentors: spans for circuits that run through Cirq, Qiskit and Qiskit IBM Runtime.

Each module here patches one library and imports it when it is itself imported, so none is imported from here.
"""
