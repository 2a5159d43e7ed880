"""The published counts, to the parameter and stage by stage (Keras-style: BatchNorm's moving statistics included)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from carmask.networks import NETWORKS, build
from carmask.networks.summary import count, describe, overview, summarise

#: As the source prints them: total, trainable, (encoder, stages …, head).
COUNTS = {
    "mobilenetv2-pix2pix": (6_504_227, 4_660_323, (1_841_984, 1_476_608, 2_507_776, 516_608, 156_928, 4_323)),
    "mobilenetv2-pix2pix-matched": (6_247_235, 4_403_235, (1_841_984, 1_661_184, 1_991_424, 498_240, 249_216, 5_187)),
    "mobilenetv2-160x240": (6_504_227, 4_660_323, (1_841_984, 1_476_608, 2_507_776, 516_608, 156_928, 4_323)),
}
#: The shapes that the source prints: output of the encoder, of each stage, of the head (channels first).
SHAPES = {
    "mobilenetv2-pix2pix": [(320, 7, 7), (512, 14, 14), (256, 28, 28), (128, 56, 56), (64, 112, 112), (3, 224, 224)],
    "mobilenetv2-pix2pix-matched": [
        (320, 7, 7),
        (576, 14, 14),
        (192, 28, 28),
        (144, 56, 56),
        (96, 112, 112),
        (3, 224, 224),
    ],
}
#: After concatenation with the skip: what enters each later stage and the head.
JOINED = {
    "mobilenetv2-pix2pix": [1088, 448, 272, 160],
    "mobilenetv2-pix2pix-matched": [1152, 384, 288, 192],
}


@pytest.mark.parametrize("name", COUNTS)
def test_mobilenetv2_networks_have_the_published_counts(name):
    total, trainable, stages = COUNTS[name]
    counts, rows = describe(name, (224, 224))
    assert (counts.total, counts.trainable) == (total, trainable)
    assert tuple(row.counts.total for row in rows) == stages
    assert sum(stages) == total


@pytest.mark.parametrize("name", SHAPES)
def test_stages_have_the_published_shapes(name):
    _, rows = describe(name)
    assert [row.output for row in rows] == SHAPES[name]
    assert [row.input[0] for row in rows[2:]] == JOINED[name]


def test_taps_are_the_published_ones():
    with torch.device("meta"):
        outputs = build("mobilenetv2-pix2pix").encoder.eval()(torch.zeros(1, 3, 224, 224))
    shapes = [tuple(output.shape[1:]) for output in outputs]
    assert shapes == [(96, 112, 112), (144, 56, 56), (192, 28, 28), (576, 14, 14), (320, 7, 7)]


def test_vgg19_has_the_published_counts():
    counts, rows = describe("vgg19-pix2pix")
    assert (counts.total, counts.trainable, counts.frozen) == (21_364_035, 8_415_491, 12_948_544)
    assert [row.counts.total for row in rows][-1] == 6_915
    # By hand: 3x3 kernels without bias and four numbers of BatchNorm for each filter.
    by_hand = [9 * 512 * 512 * 2 + 8 * 512, 9 * (1024 * 256 + 256 * 256) + 8 * 256, 9 * (512 * 128 + 128**2) + 8 * 128]
    assert [row.counts.total for row in rows[1:4]] == by_hand
    assert [row.output for row in rows] == [
        (512, 32, 32),
        (512, 64, 64),
        (256, 128, 128),
        (128, 256, 256),
        (3, 512, 512),
    ]


def test_unet_small_has_22_blocks_and_a_head_of_33():
    network = build("unet-small")
    blocks = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(blocks) == len(norms) == 22
    assert count(network.head).total == 33
    assert len(network.down) == len(network.up) == 4
    # Golden: ours, beside the source's 9,325,601 whose layers are not published.
    assert count(network) == (8_640_769, 8_633_921)


def test_unet_is_the_paper_s():
    # By hand from the paper's figure: two 3x3 convolutions a level, 2x2 up-convolutions, biases everywhere.
    filters, total, below = (64, 128, 256, 512, 1024), 0, 3
    for each in filters:
        total += 9 * below * each + each + 9 * each * each + each
        below = each
    for each in reversed(filters[:-1]):
        total += 4 * below * each + each + 9 * 2 * each * each + each + 9 * each * each + each
        below = each
    total += 64 + 1
    assert count(build("unet")) == (total, total) == (31_031_745, 31_031_745)


def test_unet_deep_is_as_described():
    network = build("unet-deep")
    assert len(network.down) == len(network.up_convs) == 7
    assert [sum(isinstance(m, nn.Conv2d) for m in level.modules()) for level in network.down] == [2] * 7
    assert [sum(isinstance(m, nn.Conv2d) for m in level.modules()) for level in network.up_convs] == [3] * 7
    assert sum(isinstance(m, nn.Conv2d) for m in network.centre.modules()) == 2
    assert network.multiple == 128


def test_cnn_small_is_as_described():
    network = build("cnn-small")
    convolutions = [m for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [c.kernel_size for c in convolutions] == [(2, 2)] * 4
    assert not [m for m in network.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(network.stages) == 3


def test_deeplab_has_fewer_parameters_than_the_unet_it_is_compared_with():
    assert count(build("deeplabv3plus-resnet50")).trainable < count(build("unet")).trainable / 2


def test_overview_counts_every_network():
    rows = {row.name: row.counts for row in overview()}
    assert set(rows) == set(NETWORKS)
    assert rows["mobilenetv2-pix2pix"] == (6_504_227, 4_660_323)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("every_layer", [False, True])
def test_rows_add_up_to_the_network(name, every_layer):
    with torch.device("meta"):
        network = build(name)
    side = max(64, network.multiple)
    rows = summarise(network, (side, side), every_layer=every_layer)
    assert sum(row.counts.total for row in rows) == count(network).total


def test_the_table_holds_what_the_sources_print_and_one_network_is_unlike():
    unlike = {}
    for name, entry in NETWORKS.items():
        if entry.reported is not None:
            counts = describe(name)[0]
            if (counts.total, counts.trainable) != entry.reported:
                unlike[name] = entry.reported
    assert unlike == {"unet-small": (9_325_601, 9_318_945)}
    assert 9_325_601 - 9_318_945 == 6_656  # what its source prints as not trainable
