package server

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"

	pdk "github.com/Kong/go-pdk"
	"google.golang.org/protobuf/encoding/protowire"

	"mtls-auth/mtlsauth/bench/role"
)

// Bytes says where the server of hand-written bytes listens, and whether it
// refuses each request.
type Bytes struct {
	Prefix string
	Exits  bool
}

// startBytes runs the least that a server can do: it writes bytes that were made
// beforehand, the two questions at once and the four statements with the end of
// the event, and looks at nothing that it gets but how long it is.
func startBytes(o Bytes) (role.Part, error) {
	s, err := newByteServer(o.Exits)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(o.Prefix, "bytes.socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.serve(l) }()
	return &listening{socket: socket, end: func() error {
		l.Close()
		return <-ended
	}}, nil
}

// byteServer has the bytes.
type byteServer struct {
	questions, statements []byte
	exits                 bool
}

func newByteServer(exits bool) (*byteServer, error) {
	s := byteServer{exits: exits}
	ask, err := recorded(func(kong *pdk.PDK) error {
		kong.Nginx.GetVar("ssl_client_raw_cert")
		kong.Ctx.GetSharedAny("mtls_auth_client_chain")
		return nil
	})
	if err != nil {
		return nil, err
	}
	if exits {
		s.questions = ask
		s.statements, err = recorded(refuse)
		return &s, err
	}
	state, err := recorded(answerInFull)
	s.questions, s.statements = ask, append(state, 0, 0, 0, 0) // and the end of the event
	return &s, err
}

// refuse makes the two calls of a refusal, after which Kong closes the
// connection.
func refuse(kong *pdk.PDK) error {
	if err := kong.Nginx.SetCtx("CLIENT_VERIFY_OVERRIDE", "FAILED:expired"); err != nil {
		return err
	}
	kong.Response.Exit(401, []byte(`{"message":"TLS certificate failed verification"}`), map[string][]string{
		"Content-Type": {"application/json; charset=utf-8"},
	})
	return nil
}

// recorded returns what go-pdk sends for PDK calls.
func recorded(f func(kong *pdk.PDK) error) ([]byte, error) {
	t := new(tape)
	err := f(pdk.Init(t))
	return t.written, err
}

func (s *byteServer) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			s.connection(c) // whatever ends it, Kong will see its end
		}()
	}
}

const (
	questions, statements = 2, 4

	fieldSequence = 1  // of RpcCall and RpcReturn
	fieldStart    = 33 // RpcCall.cmd_start_instance
)

// startedOne is RpcReturn.instance_status with instance_id 1.
var startedOne = protowire.AppendBytes(protowire.AppendTag(nil, 33, protowire.BytesType), []byte("\x10\x01"))

func (s *byteServer) connection(c net.Conn) error {
	const most = 16 << 10 // a call with a configuration is the longest
	r := bufio.NewReaderSize(c, most)
	var out []byte
	for {
		length, err := frameLength(r)
		if err != nil {
			return err
		}
		call, err := r.Peek(length)
		if err != nil {
			return err
		}
		sequence, command, err := headOf(call)
		if err != nil {
			return err
		}
		if _, err := r.Discard(length); err != nil {
			return err
		}
		if command == fieldStart {
			out = appendReturn(out[:0], sequence, startedOne)
			if _, err := c.Write(out); err != nil {
				return err
			}
			continue
		}
		if _, err := c.Write(s.questions); err != nil {
			return err
		}
		if err := discardFrames(r, questions); err != nil {
			return err
		}
		if s.exits {
			if _, err := c.Write(s.statements); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, r) // until Kong closes
			return err
		}
		out = appendReturn(append(out[:0], s.statements...), sequence, nil)
		if _, err := c.Write(out); err != nil {
			return err
		}
		if err := discardFrames(r, statements); err != nil {
			return err
		}
	}
}

// headOf returns what is looked at of a call: its sequence, and the field that
// says what it is. Kong writes them in any order.
func headOf(call []byte) (sequence uint64, command protowire.Number, err error) {
	for len(call) > 0 {
		number, kind, n := protowire.ConsumeTag(call)
		if n < 0 {
			return 0, 0, protowire.ParseError(n)
		}
		call = call[n:]
		if number == fieldSequence {
			sequence, n = protowire.ConsumeVarint(call)
		} else {
			command, n = number, protowire.ConsumeFieldValue(number, kind, call)
		}
		if n < 0 {
			return 0, 0, protowire.ParseError(n)
		}
		call = call[n:]
	}
	return sequence, command, nil
}

func appendReturn(out []byte, sequence uint64, rest []byte) []byte {
	at := len(out)
	out = append(out, 0, 0, 0, 0)
	out = protowire.AppendTag(out, fieldSequence, protowire.VarintType)
	out = append(protowire.AppendVarint(out, sequence), rest...)
	binary.LittleEndian.PutUint32(out[at:], uint32(len(out)-at-4))
	return out
}

func frameLength(r *bufio.Reader) (int, error) {
	b, err := r.Peek(4)
	if err != nil {
		return 0, err
	}
	length := int(binary.LittleEndian.Uint32(b))
	_, err = r.Discard(4)
	return length, err
}

func discardFrames(r *bufio.Reader, n int) error {
	for range n {
		length, err := frameLength(r)
		if err != nil {
			return err
		}
		if _, err := r.Discard(length); err != nil {
			return err
		}
	}
	return nil
}

// tape is the connection that go-pdk is given to record what it sends: each call
// is answered by an empty frame.
type tape struct {
	net.Conn
	written []byte
}

func (t *tape) Write(b []byte) (int, error) {
	t.written = append(t.written, b...)
	return len(b), nil
}

func (t *tape) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func (t *tape) Close() error { return nil }
