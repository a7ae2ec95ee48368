"""Cards are known by what drivers call them."""

import pytest

from benchmarks.hlo import cards


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("Tesla T4", "T4"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4 80GB"),
        ("NVIDIA H100 80GB HBM3", "H100 80GB HBM3"),
    ],
)
def test_a_known_card_is_found(device, name):
    assert cards.find_card(device).name == name


@pytest.mark.parametrize(
    "device", ["cpu", "NVIDIA A10G", "NVIDIA GeForce RTX 3090 Ti", "NVIDIA A100-PCIE-40GB", ""]
)
def test_another_device_is_none_of_them(device):
    assert cards.find_card(device) is None


def test_every_card_tells_its_source():
    assert all(card.source for card in cards.CARDS)
    assert all(card.float32 <= card.tf32 <= card.bfloat16 for card in cards.CARDS)
