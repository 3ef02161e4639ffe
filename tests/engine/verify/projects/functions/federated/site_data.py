"""The training data of one site, for simulation: a part of the whole that no other site has."""

import nvflare.client as flare
import torch
from torch.utils.data import Subset

partitions = 1


def part(dataset):
    """This site's part of a data set; the data set itself where it is not split."""
    if partitions <= 1:
        return dataset
    index = int(flare.get_site_name().rsplit("-", 1)[1]) - 1
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    return Subset(dataset, sorted(order[index::partitions]))
