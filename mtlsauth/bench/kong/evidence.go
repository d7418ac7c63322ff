package kong

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// Evidence is what a client presents, as PEM, and the answer that is right.
type Evidence struct {
	Leaf  string // "" for no certificate
	Chain string // what Kong's handshake hands over
	Want  Want
}

// Want is a right answer. The zero value is any that lets the request go on.
type Want struct {
	Status   int    // 401 or 500; 0 for a request that goes on
	DN       string // X-Client-Cert-Dn of a request that goes on; "" for any
	Consumer string // its consumer's id; "" for any
}

// Request makes the request of a client that presents the evidence.
func (e *Evidence) Request() *rpc.Request {
	r := &rpc.Request{
		Var: func(name string) string {
			if name == "ssl_client_raw_cert" {
				return e.Leaf
			}
			return ""
		},
		Header: http.Header{},
		Shared: map[string]any{},
		Ctx:    map[string]any{},
	}
	if e.Chain != "" {
		r.Shared["mtls_auth_client_chain"] = e.Chain
	}
	return r
}

// Check says what is wrong with the answer to a request.
func (w Want) Check(r *rpc.Request) error {
	status := 0
	if r.Exit != nil {
		status = r.Exit.Status
	}
	if status != w.Status {
		return fmt.Errorf("answered with status %d, want %d (0 goes on)", status, w.Status)
	}
	if status != 0 {
		return nil
	}
	if dn := r.Header.Get("X-Client-Cert-Dn"); w.DN != "" && dn != w.DN {
		return fmt.Errorf("the upstream is told of subject %q, want %q", dn, w.DN)
	}
	if w.Consumer != "" {
		if id := r.Consumer()["id"]; id != w.Consumer {
			return fmt.Errorf("authenticated as %v, want %s", id, w.Consumer)
		}
	}
	return nil
}

// WriteEvidence writes evidence to a file.
func WriteEvidence(file string, list []Evidence) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	out := json.NewEncoder(w)
	for i := range list {
		if err := out.Encode(&list[i]); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(w.Flush(), f.Close())
}

func readEvidence(file string) ([]Evidence, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []Evidence
	for in := json.NewDecoder(bufio.NewReader(f)); ; {
		var e Evidence
		if err := in.Decode(&e); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		list = append(list, e)
	}
}
