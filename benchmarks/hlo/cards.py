"""What graphics cards can do at most, by their maker's data sheets."""

from typing import NamedTuple


class Card(NamedTuple):
    """The peaks of a card, dense (without structured sparsity).

    Attributes:
        name: its name, all words of which the driver's name for it has.
        float32: 10^12 floating-point operations a second outside of tensor cores.
        tf32: 10^12 operations a second of products that round their factors to TF32; those of float32 where
            the card has no such mode.
        bfloat16: 10^12 operations a second of bfloat16 products; of float16 where the card has no bfloat16.
        bandwidth: 10^9 bytes a second of the memory.
        memory: 10^9 bytes.
        source: document that tells these numbers.
    """

    name: str
    float32: float
    tf32: float
    bfloat16: float
    bandwidth: float
    memory: float
    source: str


CARDS = (
    Card("T4", 8.1, 8.1, 65.0, 320, 16, "NVIDIA T4 data sheet"),
    Card("A10", 31.2, 62.5, 125.0, 600, 24, "NVIDIA A10 data sheet"),
    Card("RTX 3090", 35.6, 35.6, 71.0, 936, 24, "NVIDIA Ampere GA102 whitepaper"),
    Card("RTX 4090", 82.6, 82.6, 165.2, 1008, 24, "NVIDIA Ada GPU architecture whitepaper"),
    Card("A100 SXM4 80GB", 19.5, 156.0, 312.0, 2039, 80, "NVIDIA A100 data sheet"),
    Card("H100 80GB HBM3", 67.0, 494.7, 989.4, 3350, 80, "NVIDIA H100 data sheet (SXM)"),
)
# Words by which a driver tells a card from another one of these that is slower or faster.
_OTHERS = {"Ti", "D", "PCIe", "NVL", "Laptop"}


def find_card(device: str) -> Card | None:
    """The card that a driver calls `device`; None for any other."""
    words = set(device.replace("-", " ").split())
    found = (card for card in CARDS if set(card.name.split()) <= words)
    return None if words & _OTHERS else next(found, None)
