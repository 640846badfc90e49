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
    *(f"browser/test_pictures.py::test_{name}" for name in (
        "a_drawing_that_the_server_forgot_is_told", "a_new_browser_sees_what_hangs_there",
        "a_slow_answer_does_not_bring_a_deleted_picture_back", "a_style_of_ones_own_is_drawn_when_nobody_waits",
        "a_style_that_is_drawn_while_nobody_looks_is_there_after_it",
        "a_way_has_only_ends_that_it_comes_from", "a_way_is_drawn_with_all_that_its_ends_were_drawn_with",
        "restart_keeps_pictures_and_tells_of_what_was_interrupted", "the_page_of_a_picture_says_whether_it_is_a_copy",
        "the_queue_has_what_others_draw", "two_browsers_see_the_same_gallery", "variations_and_the_way_between",
        "without_a_background_pictures_lie_on_a_checkerboard", "words_are_checked_before_they_are_drawn",
    )),
    "data/test_plots.py::test_held_out_lines_are_of_templates_that_training_never_saw",
    "drawing/test_best_of.py::test_the_command_draws_keeps_and_draws_again",
    "evaluation/test_copies.py::test_a_small_set_has_an_index_among_other_pictures",
    "ground/test_collecting.py::test_commands_do_not_look_for_rings_while_torch_is_imported",
    "inspection/test_patience.py::test_stable_diffusion_is_looked_into_live",
    "models/test_tokenizer_prompts.py::test_the_prompts_are_as_odd_as_promised",
    "system/test_diffusers_call.py", "test_install.py", "test_kept.py",
    "system/test_offline.py::test_pictures_are_looked_through_and_learnt_without_a_network",
    "test_every_test.py::test_skips_are_told_and_in_ci_a_failure_and_every_test_begins_alike_in_any_order",
    "test_portable.py::test_pictures_are_looked_through_by_processes_that_begin_as_on_macos",
    "test_torture.py::test_no_prompt_ends_in_a_traceback_or_comes_back_changed",
    "training/test_aside.py::test_a_vae_that_blurs_an_ordinary_folder_is_told_of",
    "training/test_large_sets.py::test_a_run_on_a_large_set_ends_with_the_bits_of_a_small_one",
    "training/test_shaped.py::test_from_a_folder_to_a_model_and_on",
    "weights/test_single_file.py::test_a_hub_model_in_the_cache_opens_without_a_network",
    "weights/test_single_file.py::test_reading_needs_hardly_more_memory_than_the_weights",
)  # fmt: skip
FIRST = (
    "browser/test_pictures.py", "system/test_checkpoints.py", "diffusion/test_samplers_checkpoints.py",
    "cli/test_cli.py", "weights/test_single_file.py", "weights/test_kinds.py", "training/test_lora.py",
    "training/test_loop.py", "data/world/test_world.py", "inspection/test_axes.py",
)  # fmt: skip
