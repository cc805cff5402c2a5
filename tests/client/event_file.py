"""Reads TensorBoard's event files by Google's protobuf, from descriptors with
the numbers and types of TensorFlow's event.proto, summary.proto and
histogram.proto. Its checksum is a table by Castagnoli's polynomial."""
import struct

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto
KINDS = {"double": FIELD.TYPE_DOUBLE, "int64": FIELD.TYPE_INT64,
         "string": FIELD.TYPE_STRING, "float": FIELD.TYPE_FLOAT}
MESSAGES = {
    "HistogramProto": [
        (1, "min", "double"), (2, "max", "double"), (3, "num", "double"),
        (4, "sum", "double"), (5, "sum_squares", "double"),
        (6, "bucket_limit", "double*"), (7, "bucket", "double*")],
    "Value": [(1, "tag", "string"), (2, "simple_value", "float"),
              (5, "histo", "HistogramProto")],
    "Summary": [(1, "value", "Value*")],
    "Event": [(1, "wall_time", "double"), (2, "step", "int64"),
              (3, "file_version", "string"), (5, "summary", "Summary")],
}


def event_class():
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t",
                                              syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            many = kind.endswith("*")
            kind = kind.rstrip("*")
            row = message.field.add(name=field, number=number)
            row.label = (FIELD.LABEL_REPEATED if many
                         else FIELD.LABEL_OPTIONAL)
            if kind in KINDS:
                row.type = KINDS[kind]
                row.options.packed = many
            else:
                row.type = FIELD.TYPE_MESSAGE
                row.type_name = ".t." + kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return factory.GetPrototype(pool.FindMessageTypeByName("t.Event"))


def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read(data):
    """The events of a file; raises where a checksum is wrong."""
    assert crc32c(b"123456789") == 0xE3069283       # RFC 3720's check value
    kind, events, at = event_class(), [], 0
    while at < len(data):
        head = data[at:at + 8]
        size, crc = struct.unpack("<QI", data[at:at + 12])
        assert masked(head) == crc, "checksum of a length"
        body = data[at + 12:at + 12 + size]
        assert len(body) == size
        (crc,) = struct.unpack("<I", data[at + 12 + size:at + 16 + size])
        assert masked(body) == crc, "checksum of a record"
        events.append(kind.FromString(body))
        assert not events[-1].UnknownFields() or \
            len(events[-1].UnknownFields()) == 0
        at += 16 + size
    return events
