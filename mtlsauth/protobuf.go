package mtlsauth

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of pluginsocket.proto's String and Bool, and of google.protobuf.Value, Struct,
// the entries of its map, and ListValue.
const (
	stringV      protowire.Number = 1
	boolV        protowire.Number = 1
	valueString  protowire.Number = 3
	valueList    protowire.Number = 6
	structFields protowire.Number = 1
	mapKey       protowire.Number = 1
	mapValue     protowire.Number = 2
	listValues   protowire.Number = 1
)

func appendField(to []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), content)
}

var errNoMessage = errors.New("reading a reply of Kong: no protobuf message")

// eachField calls f for each value of a field of a protobuf message, as it is encoded.
func eachField(message []byte, field protowire.Number, kind protowire.Type, f func(value []byte) error) error {
	for len(message) > 0 {
		number, found, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errNoMessage
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, found, message)
		if n < 0 {
			return errNoMessage
		}
		if number == field && found == kind {
			if err := f(message[:n]); err != nil {
				return err
			}
		}
		message = message[n:]
	}
	return nil
}

// eachContent is eachField for a length-delimited field.
func eachContent(message []byte, field protowire.Number, f func(content []byte) error) error {
	return eachField(message, field, protowire.BytesType, func(value []byte) error {
		content, _ := protowire.ConsumeBytes(value)
		return f(content)
	})
}

// stringField returns the last value of a length-delimited field of a protobuf
// message, nil when it has none.
func stringField(message []byte, field protowire.Number) (value []byte, err error) {
	err = eachContent(message, field, func(content []byte) error {
		value = content
		return nil
	})
	return value, err
}

// onlyString returns what a String of pluginsocket.proto holds, nil for an empty message. What
// has anything besides is not a String.
func onlyString(message []byte) ([]byte, error) {
	if len(message) == 0 {
		return nil, nil
	}
	number, kind, n := protowire.ConsumeTag(message)
	if n < 0 || number != stringV || kind != protowire.BytesType {
		return nil, errNoMessage
	}
	value, m := protowire.ConsumeBytes(message[n:])
	if m != len(message)-n {
		return nil, errNoMessage
	}
	return value, nil
}

// boolField returns the last value of a field, false when there is none.
func boolField(message []byte, field protowire.Number) (value bool, err error) {
	err = eachField(message, field, protowire.VarintType, func(encoded []byte) error {
		v, _ := protowire.ConsumeVarint(encoded)
		value = protowire.DecodeBool(v)
		return nil
	})
	return value, err
}
