"""Weights and data from memory and files: exact values, and one clear sentence for bad ones."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, NotExactError, ShapeError
from detvar.optimality import files
from detvar.optimality.data import batches, check_data, read_data
from detvar.optimality.reading import read_weights

A = np.array([[1.5, -2.0, 0.1], [0.25, 3.0, 1e-40]])  # 2 × 3
B = np.array([[1.0, 2.0]] * 4)  # 4 × 2


def safetensors(path: Path, header: dict[str, Any] | bytes, body: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def entry(kind: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


class Bomb:
    def __reduce__(self) -> Any:
        return os._exit, (3,)


def refused(source: Any, words: str, error: type[Exception] = InputError, **options: Any) -> None:
    with pytest.raises(error, match=words) as found:
        read_weights(source, **options)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_lists_keep_every_value(dtype: str) -> None:
    w = read_weights([A.astype(dtype), B.astype(dtype)])
    assert w.network.widths == (3, 2, 4) and w.dtype == dtype and not w.bias
    assert all(x.dtype == np.float64 for x in w.arrays)
    assert np.array_equal(w.arrays[0], A.astype(dtype).astype(np.float64))


def test_biases_are_the_homogenised_network() -> None:
    b, c = np.array([1.0, -1.0]), np.arange(4.0)
    w = read_weights({"0.weight": A, "0.bias": b, "1.weight": B, "1.bias": c})
    assert w.network.widths == (4, 3, 4) and w.widths == (3, 2, 4) and w.remarks
    x = np.array([2.0, -3.0, 5.0])
    through = w.arrays[1] @ (w.arrays[0] @ np.append(x, 1.0))
    assert np.allclose(through, B @ (A @ x + b) + c, rtol=1e-14)
    fixed = w.arrays[0][~w.trained()[0]]
    assert fixed.tolist() == [0, 0, 0, 1] and w.trained()[1].all()
    partly = read_weights({"0.weight": A, "0.bias": b, "1.weight": B})
    assert np.allclose(partly.arrays[1] @ partly.arrays[0] @ np.append(x, 1), B @ (A @ x + b))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_entries_are_named(bad: float) -> None:
    wrong = B.copy()
    wrong[2, 1] = bad
    refused([A, wrong], r"W_2\[2\]\[1\] is -?(nan|inf)")
    refused({"0.weight": A, "0.bias": [0.0, bad]}, r"bias of W_1 \(0.weight\)\[1\]")


def test_wrong_order_and_transposed_layers_are_recognised() -> None:
    c = np.zeros((5, 4))
    refused([c, B, A], "reverse order.*or.*transposed", ShapeError)
    refused([A.T, B.T], "reverse order.*or.*transposed", ShapeError)
    refused([A, B.T, c], "W_2 seems transposed: give it as 4 × 2", ShapeError)
    refused([A, c, B], "fit in the order W_1, W_3, W_2", ShapeError)
    refused([A, np.zeros((4, 7))], "W_1 gives 2 numbers and W_2 takes 7", ShapeError)
    refused([A, [1.0, 2.0]], r"W_2 has shape \(2,\)", ShapeError)
    named = {"0.weight": B, "0.bias": np.zeros(4), "1.weight": A, "1.bias": np.zeros(2)}
    refused(named, "these are layers in reverse order", ShapeError)
    named = {"0.weight": A.T, "0.bias": np.zeros(2), "1.weight": B.T, "1.bias": np.zeros(4)}
    refused(named, "these are transposed layers", ShapeError)


def test_what_is_no_list_of_matrices_is_refused() -> None:
    refused([], "no weights")
    refused(3, "cannot be read from a int")
    refused([[[1.0, 2.0], [3.0]]], "rows of different lengths")
    refused([[["a"]]], "give real numbers")
    refused([A + 1j], "give real numbers")
    refused([np.array([[2**60 + 1]])], "integers above", NotExactError)


def test_every_real_type_is_taken_by_one_rule() -> None:
    """Whatever float64 holds is taken unchanged, anything else is refused."""
    wanted = [[1.0, 0.0], [1.0, 1.0]]
    for kind in ("?", "i1", "u8", "<f2", ">f2", ">f4", ">f8", "g"):
        assert read_weights([np.array(wanted).astype(kind)]).arrays[0].tolist() == wanted
    assert read_data((np.eye(2), np.eye(2, dtype=bool))).y.tolist() == [[1, 0], [0, 1]]
    if np.finfo(np.longdouble).nmant > 52:
        refused([np.array([[1, 3]], "g") / 3], "float64 rounds", NotExactError)
        refused([np.array([[1e300]], "g") ** 2], "float64 rounds", NotExactError)
    refused([np.ma.masked_equal([[1.0, 2.0]], 2.0)], "masked entries")
    assert read_weights([np.ma.array([[1.0]])]).arrays[0].tolist() == [[1.0]]
    refused([np.zeros((1, 1), "V2")], "give real numbers")
    refused([np.zeros((1, 1), "datetime64[s]")], "give real numbers")


def test_every_real_type_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    wanted = [[1.0, 0.0], [1.0, 1.0]]
    for kind in ("bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64"):
        w = read_weights([torch.tensor(wanted).to(getattr(torch, kind))])
        assert w.arrays[0].tolist() == wanted and w.dtype == kind
    refused([torch.ones(2, 2, dtype=torch.complex64)], "give float16")
    refused([torch.ones(2, 2).to_sparse()], "without stored values")


def test_order_is_never_guessed() -> None:
    relu = {"0.weight": A, "2.weight": B}
    refused(relu, "ReLU may stand")
    assert read_weights(relu, order=["0", "2"]).widths == (3, 2, 4)
    refused(relu, "name each of the layers", order=["0"])
    assert read_weights({"W2": B, "W1": A}).widths == (3, 2, 4)
    many = {f"{k}.weight": np.eye(2) * k for k in range(10, -1, -1)}
    assert read_weights(many).names == tuple(map(str, range(11)))
    refused({"0.weight": A, "1.bias": [0.0]}, "no weight matrix beside it")


def test_npz_and_npy(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", W_1=A, W_2=B)
    w = read_weights(tmp_path / "w.npz")
    assert np.array_equal(w.arrays[1], B) and w.sha256 is not None
    np.save(tmp_path / "w.npy", A)
    assert np.array_equal(read_weights(str(tmp_path / "w.npy")).arrays[0], A)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "w.npy").read_bytes()[:-5])
    refused(tmp_path / "cut.npy", "damaged")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "w.npz").read_bytes()[:-30])
    refused(tmp_path / "cut.npz", "damaged")
    refused(tmp_path / "no.npz", "cannot open")
    refused(tmp_path, "no regular file")
    (tmp_path / "w.txt").write_text("1 2")
    refused(tmp_path / "w.txt", "unknown ending")
    (tmp_path / "empty.npz").write_bytes(b"")
    refused(tmp_path / "empty.npz", "is empty")


def test_archives_that_expand_or_hold_other_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_EXPANDED", 10_000)
    np.savez_compressed(tmp_path / "w.npz", W_1=np.zeros((1000, 1000)))
    refused(tmp_path / "w.npz", "expands to 8000")
    np.savez_compressed(tmp_path / "w.npz", W_1=np.zeros((10, 10)))
    assert read_weights(tmp_path / "w.npz").widths == (10, 10)
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
    refused(tmp_path / "w.npz", "'notes.txt', which is no array")
    refused("w\0.npz", "cannot open")


@pytest.mark.parametrize("name", ["w.pkl", "w.npz", "w.npy", "w.pt", "w.pth", "w.safetensors"])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickles_are_refused_unopened(tmp_path: Path, name: str, protocol: int) -> None:
    # Opening it would end this process.
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(), protocol=protocol))
    with pytest.raises(InputError, match="pickle|no .npz|damaged|truncated"):
        read_weights(tmp_path / name)


def test_pickles_inside_numpy_files_are_refused_unopened(tmp_path: Path) -> None:
    objects = np.array([[Bomb()]], dtype=object)
    np.save(tmp_path / "w.npy", objects, allow_pickle=True)
    refused(tmp_path / "w.npy", "pickle")
    np.savez(tmp_path / "w.npz", W_1=objects)
    refused(tmp_path / "w.npz", "pickle")


@pytest.mark.parametrize("keep_size_and_time", [False, True])
def test_a_changing_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_size_and_time: bool
) -> None:
    path = tmp_path / "w.npy"
    np.save(path, A)
    real, at = files.digest, path.stat()

    def write_meanwhile(name: str) -> str:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"\x7f" if keep_size_and_time else content + b"more")
        os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
        return real(name)

    monkeypatch.setattr(files, "digest", write_meanwhile)
    refused(path, "changed while it was read")


def test_safetensors_values_of_every_type(tmp_path: Path) -> None:
    upper = (np.float32(A).view(np.uint32) >> 16).astype("<u2")
    body = A.astype("<f8").tobytes() + B.astype("<f2").tobytes()
    header = {"0.weight": entry("F64", [2, 3], 0, 48), "1.weight": entry("F16", [4, 2], 48, 64)}
    w = read_weights(safetensors(tmp_path / "w.safetensors", header, body))
    assert np.array_equal(w.arrays[0], A) and np.array_equal(w.arrays[1], B)
    header = {"0.weight": entry("BF16", [2, 3], 0, 12), "__metadata__": {"format": "pt"}}
    w = read_weights(safetensors(tmp_path / "w.safetensors", header, upper.tobytes()))
    assert w.arrays[0][0].tolist() == [1.5, -2.0, 0.099609375]  # 0.1 cut to 8 bits


@pytest.mark.parametrize(
    ("header", "body", "words"),
    [
        ({"a": entry("F64", [1, 2], 0, 16)}, 8, "truncated"),
        ({"a": entry("F64", [1, 2], 0, 8)}, 8, "needs 16 bytes"),
        ({"a": entry("F64", [1, 2], 0, 16), "b": entry("F64", [1, 1], 8, 16)}, 16, "overlap"),
        ({"a": entry("F64", [1, 1], 8, 16)}, 16, "belong to no tensor"),
        ({"a": entry("F64", [1, 1], 0, 8)}, 16, "belong to no tensor"),
        ({"a": entry("F64", [1, -1], 8, 0)}, 16, "needs dtype, shape"),
        ({"a": entry("I64", [1, 1], 0, 8)}, 8, "has the type I64"),
        ({"a": [1]}, 8, "needs dtype, shape"),
        (b"[]", 0, "no JSON object"),
        (b"{", 0, "no JSON object"),
        (b'{"a": 1, "a": 2}', 0, "a name occurs twice"),
        ({"p": entry("F64", [1, 1], 0, 8), "q": entry("F64", [1, 1], 8, 16)}, 16, "tell the order"),
    ],
)
def test_damaged_safetensors(tmp_path: Path, header: Any, body: int, words: str) -> None:
    refused(safetensors(tmp_path / "w.safetensors", header, bytes(body)), words)


def test_safetensors_with_a_header_that_is_cut(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes((900).to_bytes(8, "little") + b"{}")
    refused(tmp_path / "w.safetensors", "truncated")


def test_safetensors_agrees_with_its_own_package(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    numpy.save_file(
        {"1.weight": np.float32(B), "0.weight": np.float32(A)}, tmp_path / "w.safetensors"
    )
    w = read_weights(tmp_path / "w.safetensors")
    assert np.array_equal(w.arrays[0], np.float32(A)) and w.dtype == "float32"


def test_modules_stay_untouched_and_agree_with_their_files(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    nn = torch.nn
    net = nn.Sequential(nn.Linear(3, 2), nn.Identity(), nn.Sequential(nn.Linear(2, 4))).double()
    net(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
    before = [(p.detach().clone(), p.grad.clone(), p.requires_grad) for p in net.parameters()]
    w = read_weights(net)
    x = np.array([1.0, -2.0, 0.5])
    want = net(torch.tensor(x)).detach().numpy()
    assert np.allclose(w.arrays[1] @ w.arrays[0] @ np.append(x, 1.0), want, rtol=1e-13)
    for p, (value, grad, needs) in zip(net.parameters(), before, strict=True):
        assert torch.equal(p, value) and torch.equal(p.grad, grad) and p.requires_grad == needs
    assert net.training and not np.shares_memory(w.arrays[0], net[0].weight.detach().numpy())
    torch.save(net.state_dict(), tmp_path / "w.pt")
    filed = read_weights(tmp_path / "w.pt", order=["0", "2.0"])
    assert all(np.array_equal(a, b) for a, b in zip(filed.arrays, w.arrays, strict=True))
    torch.save({"model": Bomb()}, tmp_path / "bomb.pt")
    refused(tmp_path / "bomb.pt", "such objects are not opened")
    half = nn.Linear(3, 2, bias=False).to(torch.bfloat16)
    assert read_weights(half).dtype == "bfloat16" and not read_weights(half).bias


def test_modules_that_are_not_linear_are_named() -> None:
    nn = pytest.importorskip("torch", reason="torch is not installed").nn
    one = nn.Linear(2, 2)
    refused(nn.Sequential(one, nn.ReLU(), nn.Linear(2, 2)), "module 1 is ReLU, which is not linear")
    refused(nn.Sequential(one, nn.Dropout(0.5)), r"module 1 is Dropout.*eval\(\)")
    refused(nn.Sequential(one, one), "same tensor as 0.weight")
    refused(nn.Sequential(), "no torch.nn.Linear")
    refused(nn.Linear(2, 2, device="meta"), "without stored values")
    one.register_forward_hook(lambda *_: None)
    refused(one, "forward hooks")


X, Y = np.arange(10.0).reshape(5, 2), np.arange(15.0).reshape(5, 3)


def test_data_from_every_source_agree(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", X=X, y=Y)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    np.save(tmp_path / "xy.npy", np.hstack([X, Y]))
    rows = "\n".join(",".join(map(repr, map(float, r))) for r in np.hstack([X, Y]))
    (tmp_path / "d.csv").write_text("x1,x2,y1,y2,y3\n" + rows + "\n")
    (tmp_path / "bare.csv").write_text(rows)
    pair = (tmp_path / "x.npy", tmp_path / "y.npy")
    for source, inputs in [
        ((X, Y), None),
        ({"x": X, "y": Y}, None),
        (tmp_path / "d.npz", None),
        (tmp_path / "d.csv", None),
        (tmp_path / "bare.csv", 2),
        (tmp_path / "xy.npy", 2),
        (pair, None),
    ]:
        data = read_data(source, inputs=inputs)
        assert np.array_equal(data.x, X) and np.array_equal(data.y, Y)
    for source in [(X, Y), pair, [(X[:2], Y[:2]), (X[2:], Y[2:])]]:
        parts = list(batches(source, 2, bias=True))
        assert np.array_equal(np.vstack([x for x, _ in parts]), np.hstack([X, np.ones((5, 1))]))
        assert np.array_equal(np.vstack([y for _, y in parts]), Y)


def test_bad_data(tmp_path: Path) -> None:
    for source, words in [
        ((X, Y[:4]), "5 samples and y has 4"),
        ((X.T, np.ones((3, 5))), "samples seem to be columns"),
        ((X[:0], Y[:0]), "there are no data"),
        ((X * np.nan, Y), r"x\[0\]\[0\] is nan \(and 9 more\)"),
        ({"x": X}, "one array y"),
        (7, "must be a pair"),
    ]:
        with pytest.raises((InputError, ShapeError), match=words):
            read_data(source)
    for text, words in [
        ("x,y\n", "no samples"),
        ("x,y\n1,2\n1\n", "row 3 has 1 entries"),
        ("x,y\n1,two\n", "row 2 has 'two'"),
        ("1,2\n", "inputs from targets"),
        ("a,b\n1,2\n", "name the columns"),
        ("x,y\n1_0,2\n", "row 2 has '1_0'"),
        ("x,y\n1,nan\n", r"y\[0\]\[0\] is nan"),
    ]:
        (tmp_path / "d.csv").write_text(text)
        with pytest.raises((InputError, ShapeError), match=words):
            read_data(tmp_path / "d.csv")


def test_bad_batches(tmp_path: Path) -> None:
    for source, words in [
        ([(X, Y), (X, Y[:, :2])], "batch 2 has 2 inputs and 2 targets"),
        ([(X, Y), (X, Y[:2])], "batch 2: x has 5 samples"),
        ([], "there are no batches"),
        ([X], "batch 1 must be a pair"),
    ]:
        with pytest.raises((InputError, ShapeError), match=words):
            list(batches(source))
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y[:4])
    with pytest.raises(ShapeError, match="different numbers of samples"):
        list(batches((tmp_path / "x.npy", tmp_path / "y.npy"), 2))
    np.save(tmp_path / "y.npy", Y)
    stream = batches((tmp_path / "x.npy", tmp_path / "y.npy"), 2)
    next(stream)
    with open(tmp_path / "x.npy", "ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match="changed while it was read"):
        list(stream)


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ("(4000000000000, 2)", "<f8", "is truncated: it ends in row 5"),
        ("(6, 2)", "<f8", "is truncated: it ends in row 5"),
        ("(-1, 2)", "<f8", "is no .npy file"),
        ("(" * 3000, "<f8", "is no .npy file"),
        ("(5, 2)", "|O", "a pickle"),
        ("(5, 2)", "<c8", "give real numbers"),
        ("(5, 1, 2)", "<f8", "give a table"),
    ],
)
def test_streamed_files_with_bad_headers(tmp_path: Path, shape: str, kind: str, words: str) -> None:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    (tmp_path / "x.npy").write_bytes(start + X.tobytes())
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises((InputError, ShapeError), match=words):
        list(batches((tmp_path / "x.npy", tmp_path / "y.npy"), 2))


def test_data_of_other_widths() -> None:
    w = read_weights([np.ones((3, 2))])
    check_data(w, read_data((X, Y)))
    for source, words in [
        ((Y, X), "exchanged, or the layers"),
        ((X, np.arange(5)), "one-hot"),
        ((X, X), "takes 2 and gives 3"),
    ]:
        with pytest.raises(ShapeError, match=words):
            check_data(w, read_data(source))
