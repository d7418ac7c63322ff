package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// product is the program, as it is built and run.
type product struct{ program string }

func buildProduct(ctx context.Context, dir string) (product, error) {
	p := product{filepath.Join(dir, "mtls-auth")}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", p.program, "mtls-auth").CombinedOutput(); err != nil {
		return p, fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return p, nil
}

// ask has a process of its own judge a vector in STRICT mode, by the plugin protocol: the
// trust anchors are all that -ca-dir has, the CRLs all that -crl-dir has.
func (p product) ask(ctx context.Context, v vector) (answer, string, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return cannot, "", err
	}
	defer os.RemoveAll(dir)
	write := func(folder, name string, text []byte) {
		if e := os.MkdirAll(filepath.Join(dir, folder), 0o700); e != nil {
			err = e
		}
		if e := os.WriteFile(filepath.Join(dir, folder, name), text, 0o600); e != nil {
			err = e
		}
	}
	var ids []string
	for n, der := range v.anchors {
		id := fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n+1)
		ids = append(ids, id)
		write("cas", id+".pem", pemOf("CERTIFICATE", der))
	}
	write("crls", "README", nil)
	for n, der := range v.crls {
		write("crls", fmt.Sprintf("%d.crl", n), der)
	}
	if err != nil {
		return cannot, "", err
	}
	server := exec.CommandContext(ctx, p.program, "-kong-prefix", dir, "-ca-dir", filepath.Join(dir, "cas"), "-crl-dir", filepath.Join(dir, "crls"))
	if err := server.Start(); err != nil {
		return cannot, "", err
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	socket := filepath.Join(dir, "mtls-auth.socket")
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Since(began) > time.Minute {
			return cannot, "", fmt.Errorf("the program does not listen")
		}
	}
	client := rpc.New(rpc.Options{Socket: socket, Plugin: "mtls-auth"})
	defer client.Close()
	loaded, err := client.Load(map[string]any{
		"__plugin_id": "conformance", "ca_certificates": ids, "skip_consumer_lookup": true,
		"revocation_check_mode": "STRICT",
	})
	if err != nil {
		return cannot, "", err
	}
	request := &rpc.Request{Header: http.Header{}, Shared: map[string]any{}, Ctx: map[string]any{}, Var: func(name string) string {
		if name == "ssl_client_raw_cert" {
			return string(pemOf("CERTIFICATE", v.leaf))
		}
		return ""
	}}
	if len(v.chain) > 0 {
		request.Shared["mtls_auth_client_chain"] = string(pemOf("CERTIFICATE", v.chain...))
	}
	client.Access(request, loaded)
	request.End()
	verdict, _ := request.Ctx["CLIENT_VERIFY_OVERRIDE"].(string)
	reason, refused := strings.CutPrefix(verdict, "FAILED:")
	switch {
	case request.Exit == nil && verdict == "SUCCESS":
		return accepts, "passed", nil
	case request.Exit != nil && request.Exit.Status == http.StatusUnauthorized && refused:
		return refuses, reason, nil
	}
	return cannot, "", fmt.Errorf("%s: neither a pass nor a 401: %+v, %q", v.name, request.Exit, verdict)
}

// figuresOf reads what the longer commands have written.
func figuresOf(folder, pattern string, add func([]byte) error) error {
	files, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = add(text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func decode[T any](into *[]T) func([]byte) error {
	return func(text []byte) error {
		var one T
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		*into = append(*into, one)
		return nil
	}
}

// each runs f for all, some at once.
func each[T any](all []T, atOnce int, f func(T) error) error {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		first error
		next  = make(chan T)
	)
	for range atOnce {
		group.Go(func() {
			for one := range next {
				if err := f(one); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	for _, one := range all {
		next <- one
	}
	close(next)
	group.Wait()
	return first
}
