"""What graphics cards can do at most, by their makers' data sheets."""

from typing import NamedTuple


class Card(NamedTuple):
    """The peaks of a card, dense (without structured sparsity).

    Attributes:
        name: its name.
        names: parts of the name by which the driver calls it.
        float32: 10^12 floating-point operations a second outside of tensor cores.
        tf32: 10^12 operations a second of float32 products that round their factors to TF32; those of
            float32 where the card has no such mode.
        bfloat16: 10^12 operations a second of bfloat16 products (float16 where it has no bfloat16).
        float64: 10^12 operations a second in float64 outside of tensor cores.
        bandwidth: 10^9 bytes a second of the memory.
        memory: 10^9 bytes.
        source: data sheet.
    """

    name: str
    names: tuple[str, ...]
    float32: float
    tf32: float
    bfloat16: float
    float64: float
    bandwidth: float
    memory: float
    source: str


CARDS = (
    Card("T4", ("T4",), 8.1, 8.1, 65.0, 0.25, 320, 16, "NVIDIA T4 data sheet, 2019"),
    Card("A10", ("A10",), 31.2, 62.5, 125.0, 0.49, 600, 24, "NVIDIA A10 data sheet, 2021"),
    Card(
        *("RTX 3090", ("RTX 3090",), 35.6, 35.6, 71.0, 0.56, 936, 24),
        "NVIDIA GA102 whitepaper, 2020",
    ),
    Card(
        *("RTX 4090", ("RTX 4090",), 82.6, 82.6, 165.2, 1.29, 1008, 24),
        "NVIDIA Ada whitepaper, 2022",
    ),
    Card(
        *("A100 80 GB SXM", ("A100",), 19.5, 156.0, 312.0, 9.7, 2039, 80),
        "NVIDIA A100 data sheet, 2021",
    ),
    Card(
        *("H100 SXM", ("H100", "H200"), 67.0, 494.0, 989.0, 34.0, 3350, 80),
        "NVIDIA H100 data sheet, 2023",
    ),
)


def find_card(device: str) -> Card | None:
    """The card that a driver calls `device`; None for any other."""
    words = device.replace("-", " ").split()
    text = f" {' '.join(words)} "
    return next((card for card in CARDS if any(f" {name} " in text for name in card.names)), None)
