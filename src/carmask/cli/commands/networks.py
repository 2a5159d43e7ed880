"""``carmask networks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import need
from carmask.cli.types import SIZE

if TYPE_CHECKING:
    from carmask.geometry import Size


@click.command(
    "networks",
    cls=Command,
    examples=(
        "carmask networks",
        "carmask networks mobilenetv2-pix2pix",
        "carmask networks smp:unetplusplus:efficientnet-b0 --size 480x320",
    ),
)
@click.argument("name", required=False, metavar="[NAME]", help="Print the layers of this network.")
@option(
    "--size", type=SIZE, metavar="WIDTHxHEIGHT", help="Input size to show the layers at.  [default: the network's own]"
)
@option("--every-layer", is_flag=True, help="Print single layers, not stages.")
def networks(name: str | None, size: Size | None, every_layer: bool) -> None:
    """List the networks, or the layers of one.

    Prints shapes and numbers of parameters. They are counted as Keras counts them: weights and the moving statistics of
    batch normalisation. Trainable means trainable in the source that the network is taken from. Below the layers of a
    network stand the numbers that its source prints, if it does.
    """
    need("torch", "train")
    from carmask.networks import find_network, summary

    if name is None:
        print(f"{'name':28} {'input':>9} {'total':>11} {'trainable':>11}  source")
        for one in summary.overview():
            print(
                f"{one.name:28} {f'{one.size[1]}x{one.size[0]}':>9} {one.counts.total:11,} {one.counts.trainable:11,}  "
                f"{one.source}"
            )
        print("smp:<architecture>:<encoder>  any network of segmentation_models_pytorch")
        return
    counts, rows = summary.describe(name, size, every_layer=every_layer)
    print(f"{'layer':36} {'type':20} {'input':>16} {'output':>16} {'parameters':>11} {'trainable':>11}")
    for row in rows:
        shapes = ["x".join(map(str, (*shape[1:], shape[0]))) for shape in (row.input, row.output)]
        print(
            f"{row.name:36} {row.kind:20} {shapes[0]:>16} {shapes[1]:>16} {row.counts.total:11,} "
            f"{row.counts.trainable:11,}"
        )
    print(f"total {counts.total:,}; trainable {counts.trainable:,}; not trainable {counts.frozen:,}")
    if (reported := find_network(name).reported) is not None:
        its = summary.Counts(*reported)
        unlike = "" if its == counts else "; its layers are not published"
        print(f"its source: total {its.total:,}; trainable {its.trainable:,}; not trainable {its.frozen:,}{unlike}")
