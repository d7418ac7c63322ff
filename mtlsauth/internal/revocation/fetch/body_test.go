package fetch_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// TestSizes: up to the limit and no further, however the size is announced.
func TestSizes(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(r.URL.Query().Get("size"))
		if err != nil {
			t.Error(err)
		}
		content := bytes.Repeat([]byte("x"), size)
		switch r.URL.Path {
		case "/announced":
			w.Header().Set("Content-Length", strconv.Itoa(size))
		case "/chunked":
			w.(http.Flusher).Flush()
		case "/closed":
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n")
			conn.Write(content)
			return
		}
		w.Write(content)
	})
	c := newClient(t, fetch.Options{})
	for _, path := range []string{"announced", "chunked", "closed"} {
		for _, test := range []struct {
			size, limit int
			ok          bool
		}{
			{0, 0, true}, {1, 0, false}, {1, 1, true}, {2, 1, false}, {0, -5, true}, {1, -5, false},
			{4095, 4096, true}, {4096, 4096, true}, {4097, 4096, false}, {100_000, 100_000, true}, {100_001, 100_000, false}, {1 << 20, 1 << 16, false},
			{1 << 16, 1<<63 - 1, true},
		} {
			name := fmt.Sprintf("%s, %d of %d", path, test.size, test.limit)
			response, err := c.Do(soon(t), fetch.Request{URL: fmt.Sprintf("%s/%s?size=%d", s.URL, path, test.size)}, fetch.How{}, int64(test.limit))
			if path == "announced" && !test.ok {
				wantKind(t, name, err, fetch.TooLarge)
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			content, err := io.ReadAll(response.Body)
			if len(content) > max(test.limit, 0) {
				t.Errorf("%s: got %d bytes", name, len(content))
			}
			if test.ok {
				if err != nil || len(content) != test.size {
					t.Errorf("%s: got %d bytes, %v", name, len(content), err)
				}
			} else {
				wantKind(t, name, err, fetch.TooLarge)
				if _, again := response.Body.Read(make([]byte, 1)); again != err {
					t.Errorf("%s: then got %v", name, again)
				}
			}
			response.Body.Close()
		}
	}
}

// TestBodyReader holds Body to the rules of io.Reader.
func TestBodyReader(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, content) })
	response, err := newClient(t, fetch.Options{}).Do(soon(t), fetch.Request{URL: s.URL}, fetch.How{}, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := iotest.TestReader(response.Body, []byte(content)); err != nil {
		t.Error(err)
	}
}

func TestClosedBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "an answer") })
	c := newClient(t, fetch.Options{})
	response, err := c.Do(soon(t), fetch.Request{URL: s.URL}, fetch.How{}, limit)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if n, err := response.Body.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("got %d, %v", n, err)
	}
}

// TestBadAnswers: what is not HTTP as it is accepted here is of kind Protocol.
func TestBadAnswers(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(make([]byte, 10<<20))
	z.Close()
	body := func(header string, content string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", header, len(content), content)
	}
	for _, test := range []struct{ name, answer string }{
		{"nothing", ""},
		{"not HTTP", "SSH-2.0-x\r\n"},
		{"truncated header", "HTTP/1.1 200 OK\r\nContent-"},
		{"truncated body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"},
		{"truncated chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"},
		{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabcd"},
		{"large header", body("X: "+strings.Repeat("x", fetch.MaxHeader)+"\r\n", "a")},
		{"many headers", body(strings.Repeat("X: y\r\n", fetch.MaxHeader/6), "a")},
		{"large interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("x", 1000)+"\r\n\r\n", 17) + body("", "a")},
		{"endless interim answers", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000) + body("", "a")},
		{"gzip", body("Content-Encoding: gzip\r\n", packed.String())},
		{"gzip after identity", body("Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", packed.String())},
		{"list of codings", body("Content-Encoding: gzip, identity\r\n", packed.String())},
		{"gzip as a transfer coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" + packed.String()},
	} {
		addr := answering(t, func(conn net.Conn) { readHeader(conn); io.WriteString(conn, test.answer) })
		wantKind(t, test.name, read(soon(t), newClient(t, fetch.Options{}), "http://"+addr, fetch.How{}), fetch.Protocol)
	}
	for _, header := range []string{"Content-Encoding: identity\r\n", "Content-Encoding: IDENTITY \r\n", "Content-Encoding:\r\n", "X: " + strings.Repeat("x", fetch.MaxHeader-200) + "\r\n"} {
		addr := answering(t, func(conn net.Conn) { readHeader(conn); io.WriteString(conn, body(header, "a")) })
		if content, err := get(t, newClient(t, fetch.Options{}), "http://"+addr); err != nil || content != "a" {
			t.Errorf("%.40q: got %q, %v", header, content, err)
		}
	}
}

// TestGzipAsContent: what only looks packed is handed on as it came.
func TestGzipAsContent(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "\x1f\x8b\x08\x00") })
	if content, err := get(t, newClient(t, fetch.Options{}), s.URL); err != nil || content != "\x1f\x8b\x08\x00" {
		t.Errorf("got %q, %v", content, err)
	}
}

// TestProtocolSwitch: 101 hands over the connection in net/http.
func TestProtocolSwitch(t *testing.T) {
	addr := answering(t, func(conn net.Conn) {
		readHeader(conn)
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		io.Copy(io.Discard, conn) // ends when the client closes
	})
	wantKind(t, "101", read(soon(t), newClient(t, fetch.Options{}), "http://"+addr, fetch.How{}), fetch.Status)
}
