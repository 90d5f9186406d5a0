import torch

from loopback_core.towers.embedding import Bags
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.user import UserInputs


def test_the_bags_of_some_rows_are_those_of_all_cut_apart():
    bags = Bags(torch.arange(6), torch.tensor([0, 2, 2, 5]), torch.arange(6.0))  # bags of 2, 0, 3 and 1
    middle, last = bags.rows(1, 3), bags.rows(3, 4)
    assert (middle.ids.tolist(), middle.offsets.tolist()) == ([2, 3, 4], [0, 0])
    assert middle.weights.tolist() == [2, 3, 4]
    assert (last.ids.tolist(), last.offsets.tolist(), last.weights.tolist()) == ([5], [0], [5])


def test_some_rows_of_what_a_tower_reads_leave_out_what_it_does_not_read():
    users = UserInputs(torch.arange(4), intent=torch.tensor([0, 1, 0, 1]), context=torch.arange(12).view(4, 3))
    cut = users.rows(1, 3)
    assert (cut.user.tolist(), cut.intent.tolist()) == ([1, 2], [1, 0])
    assert cut.context.tolist() == [[3, 4, 5], [6, 7, 8]]
    assert cut.artists is cut.tracks is cut.last is cut.demographics is None
    tracks = TrackInputs(torch.arange(4), torch.arange(4) // 2).rows(2, 4)
    assert (len(tracks), tracks.track.tolist(), tracks.artist.tolist()) == (2, [2, 3], [1, 1])
