"""Arrays of an ONNX file, as Protocol Buffers' own library writes one."""

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tlcore.backbones.onnx import initialisers

FIELD = descriptor_pb2.FieldDescriptorProto
MESSAGES = {
    "Tensor": [
        ("dims", 1, FIELD.TYPE_INT64, FIELD.LABEL_REPEATED),
        ("data_type", 2, FIELD.TYPE_INT32, FIELD.LABEL_OPTIONAL),
        ("float_data", 4, FIELD.TYPE_FLOAT, FIELD.LABEL_REPEATED),
        ("name", 8, FIELD.TYPE_STRING, FIELD.LABEL_OPTIONAL),
        ("raw_data", 9, FIELD.TYPE_BYTES, FIELD.LABEL_OPTIONAL),
        ("a_double", 20, FIELD.TYPE_DOUBLE, FIELD.LABEL_OPTIONAL),
    ],
    "Graph": [
        ("name", 2, FIELD.TYPE_STRING, FIELD.LABEL_OPTIONAL),
        ("initializer", 5, ".tiny.Tensor", FIELD.LABEL_REPEATED),
    ],
    "Model": [
        ("ir_version", 1, FIELD.TYPE_INT64, FIELD.LABEL_OPTIONAL),
        ("graph", 7, ".tiny.Graph", FIELD.LABEL_OPTIONAL),
    ],
}


@pytest.fixture(scope="module", params=[True, False], ids=["shapes-packed", "shapes-one-by-one"])
def classes(request):
    """Messages with those fields of onnx.proto3 that matter, and some that do not."""
    file = descriptor_pb2.FileDescriptorProto(name="tiny.proto", package="tiny", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label in fields:
            added = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = FIELD.TYPE_MESSAGE, kind
            else:
                added.type = kind
            if field == "dims":
                added.options.packed = request.param
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tiny.{name}")) for name in MESSAGES}


def written(classes, *tensors: dict) -> bytes:
    graph = classes["Graph"](name="g" * 300, initializer=[classes["Tensor"](**tensor) for tensor in tensors])
    return classes["Model"](ir_version=7, graph=graph).SerializeToString()


def test_arrays_come_back_as_they_were_written(classes):
    kernel = np.random.default_rng(0).normal(size=(300, 2, 3)).astype("<f4")
    offset = np.array([1.5, -2], "<f4")
    found = initialisers(
        written(
            classes,
            {"dims": kernel.shape, "data_type": 1, "name": "kernel", "raw_data": kernel.tobytes(), "a_double": 2.0},
            {"dims": [1], "data_type": 7, "name": "index", "raw_data": np.array([5]).tobytes()},
            {"dims": offset.shape, "data_type": 1, "name": "größe", "raw_data": offset.tobytes()},
        )
    )
    assert [*found] == ["kernel", "größe"]
    np.testing.assert_array_equal(found["kernel"], kernel)
    np.testing.assert_array_equal(found["größe"], offset)


def test_what_cannot_be_read_is_said(classes):
    whole = written(classes, {"dims": [2], "data_type": 1, "name": "a", "raw_data": bytes(8)})
    assert initialisers(whole)["a"].tolist() == [0, 0]
    for end in range(3, len(whole)):
        with pytest.raises(ValueError, match="cut off"):
            initialisers(whole[:end])
    with pytest.raises(ValueError, match="the array 'a' is not kept as its bytes"):
        initialisers(written(classes, {"dims": [1], "data_type": 1, "name": "a", "float_data": [1.0]}))
    with pytest.raises(ValueError, match="cannot reshape"):
        initialisers(written(classes, {"dims": [3], "data_type": 1, "name": "a", "raw_data": bytes(8)}))
    with pytest.raises(ValueError, match="no ONNX file has a field of kind 7"):
        initialisers(b"\x0f")
