"""What ``make test`` leaves to ``make long``: what kills, spreads, films or measures a whole training or a whole page.

Files, and single tests as file::test. Those of ``make test`` that take longest follow, as they go first.
"""

from __future__ import annotations

LONG = (
    "browser/test_chapters.py", "browser/test_more_chapters.py", "browser/test_training.py", "browser/test_views.py",
    "cluster/test_pool.py",
    "inspection/test_map.py",
    "evaluation/test_copies.py::test_the_real_judge_finds_copies_among_the_starter_pictures",
    "evaluation/test_report.py", "evaluation/test_strangers.py",
    "studio/test_document.py", "studio/test_tour.py", "studio/test_training.py",
    "backends/test_openvino.py", "system/test_lacking_formats.py",
    "cli/test_story.py::test_data_and_training", "cli/test_streams.py",
    "training/test_adversary.py", "training/test_another_machine.py", "training/test_distill.py",
    "training/test_launched.py", "training/test_learning.py", "training/test_length.py", "training/test_many.py",
    "training/test_redrawn.py", "training/test_run.py", "training/test_self_test.py", "training/test_story.py",
    "training/test_text.py", "training/test_world_run.py",
    "studio/test_mixed_requests.py::test_a_minute_of_mixed_requests_loses_and_spoils_nothing",
    "studio/test_mixed_requests.py::test_a_hundred_drawings_in_a_row_stay_the_same",
    "training/test_loop.py::test_kill_minus_nine_at_any_moment_ends_with_the_same_bits",
    "training/test_tasks.py::test_diffusion_overfits_one_batch",
    "training/test_tasks.py::test_the_vae_overfits_one_batch",
    "test_docs.py::test_a_newcomer_gets_what_the_page_says",
)  # fmt: skip
FIRST = (
    "browser/test_pictures.py", "system/test_checkpoints.py", "diffusion/test_samplers_checkpoints.py",
    "cli/test_cli.py", "weights/test_single_file.py", "weights/test_kinds.py", "training/test_lora.py",
    "training/test_loop.py", "data/world/test_world.py", "inspection/test_axes.py", "system/test_diffusers_call.py",
)  # fmt: skip
