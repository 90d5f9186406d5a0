from loopback_core.settings import SampledSettings, Settings, TowersSettings, TrainingSettings
from loopback_core.training.sampled import SampledExamples


def examples_of(data, **chosen):
    given = {"objective": "sampled", "batch_size": 60}
    sampled = {"request_stride": 4, "target_window": 5, "negatives": 50, **chosen}
    towers = TowersSettings(user_encoder="pooled", track_encoder="sum", output_dim=4)
    return SampledExamples(
        data, Settings(towers=towers, training=TrainingSettings(sampled=SampledSettings(**sampled), **given))
    )


def test_repeats_weigh_what_the_setting_says_and_first_plays_one(hand_log):
    [batch] = examples_of(hand_log, repeat_weight=0.25).epoch(1)
    weights = sorted(zip(batch.tracks.track[: len(batch)].tolist(), batch.weight.tolist(), strict=True))
    # Track 1 of user 0: a first play, as what comes next and as a discovery, and a repeat; track 2 of user 1 both ways.
    assert weights == [(1, 0.25), (1, 1.0), (1, 1.0), (2, 1.0), (2, 1.0)]


def test_without_a_weight_the_loss_is_the_plain_mean(hand_log):
    [batch] = examples_of(hand_log).epoch(1)
    assert batch.weight is None
