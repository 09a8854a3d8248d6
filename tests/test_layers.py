"""An encoder of every known family, cut in two at every height, says what the whole one says."""

from typing import Any

import pytest

from core.models import layers


def _families() -> dict[str, Any]:
    import transformers as t

    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
    usual = {**sizes, "vocab_size": 50, "max_position_embeddings": 40, "num_labels": 4}
    distil = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24, "vocab_size": 50, "num_labels": 4}
    return {
        "bert": (t.BertForTokenClassification, t.BertConfig(**usual)),
        "roberta": (t.RobertaForTokenClassification, t.RobertaConfig(**usual)),
        "xlm-roberta": (t.XLMRobertaForTokenClassification, t.XLMRobertaConfig(**usual)),
        "camembert": (t.CamembertForTokenClassification, t.CamembertConfig(**usual)),
        "electra": (t.ElectraForTokenClassification, t.ElectraConfig(**usual, embedding_size=8)),
        "distilbert": (t.DistilBertForTokenClassification, t.DistilBertConfig(**distil)),
    }


@pytest.mark.parametrize("family", layers.STACKS)
@pytest.mark.parametrize("number", [0, 1, 3])
def test_an_encoder_cut_in_two_is_the_whole_one(family, number):
    import torch

    torch.manual_seed(0)
    kind, config = _families()[family]
    model = kind(config).eval()
    ids, mask = torch.randint(5, 50, (3, 9)), torch.ones(3, 9, dtype=torch.long)
    mask[1, 6:] = 0
    with torch.inference_mode():
        whole = model(input_ids=ids, attention_mask=mask).logits
        above = layers.upper(model, number, layers.Wanted())
        read = {"input_ids": ids}
        if number:
            read = {"inputs_embeds": layers.lower(model, number)(input_ids=ids, attention_mask=mask).last_hidden_state}
        cut = above(**read, attention_mask=mask).logits
    assert torch.allclose(whole[mask == 1], cut[mask == 1], atol=1e-5)
    frozen = {id(p) for module in layers.lowest(model, number) for p in module.parameters()}
    below = [p for p in model.base_model.parameters() if id(p) not in frozen]
    left = {id(p) for layer in layers.stack(model)[number:] for p in layer.parameters()}
    assert not number or {id(p) for p in below} == left | {id(p) for p in _poolers(model)}


def _poolers(model: Any) -> list[Any]:
    pooler = getattr(model.base_model, "pooler", None)
    return [] if pooler is None else [*pooler.parameters()]
