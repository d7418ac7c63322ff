package mtlsauth

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"

	pdk "github.com/Kong/go-pdk"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"mtls-auth/mtlsauth/internal/authn"
)

// tape is a connection on which go-pdk's calls are recorded.
type tape struct {
	net.Conn
	bytes.Buffer
}

func (t *tape) Read(p []byte) (int, error)  { clear(p); return len(p), nil }
func (t *tape) Write(p []byte) (int, error) { return t.Buffer.Write(p) }
func (t *tape) Close() error                { return nil }

// What is encoded here says what go-pdk would say, and what the answer sets stays.
func TestHeaderArguments(t *testing.T) {
	a := &authn.Answer{Headers: []authn.Header{{Name: "X-One", Value: "ü, 1"}, {Name: "X-Cleared"}, {Name: "X-Long", Value: strings.Repeat("x", 300)}}, Clear: []string{"X_One"}}
	theirs := new(tape)
	values := a.HeaderValues()
	values["x_cleared"] = []string{}
	delete(values, "X_One")
	if err := pdk.Init(theirs).ServiceRequest.SetHeaders(values); err != nil {
		t.Fatal(err)
	}
	n := 4 + int(binary.LittleEndian.Uint32(theirs.Bytes()))
	method, arguments := theirs.Bytes()[4:n], theirs.Bytes()[n+4:]
	got, want := new(structpb.Struct), new(structpb.Struct)
	if err := errors.Join(proto.Unmarshal(headerArguments(a, []string{"x_cleared", "x-one", "x-cleared"}), got), proto.Unmarshal(arguments, want)); err != nil {
		t.Fatal(err)
	}
	if string(method) != setHeaders || !proto.Equal(got, want) || len(got.Fields) != 4 {
		t.Errorf("%s: got %v\n%s: want %v", setHeaders, got, method, want)
	}
}
