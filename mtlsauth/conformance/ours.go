package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

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
func (p product) ask(ctx context.Context, v vector) (answer, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return cannot, err
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
		return cannot, err
	}
	server := exec.CommandContext(ctx, p.program, "-kong-prefix", dir, "-ca-dir", filepath.Join(dir, "cas"), "-crl-dir", filepath.Join(dir, "crls"))
	if err := server.Start(); err != nil {
		return cannot, err
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
			return cannot, fmt.Errorf("the program does not listen")
		}
	}
	client := rpc.New(rpc.Options{Socket: socket, Plugin: "mtls-auth"})
	defer client.Close()
	loaded, err := client.Load(map[string]any{
		"__plugin_id": "conformance", "ca_certificates": ids, "skip_consumer_lookup": true,
		"revocation_check_mode": "STRICT",
	})
	if err != nil {
		return cannot, err
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
	switch {
	case request.Exit == nil && verdict == "SUCCESS":
		return accepts, nil
	case request.Exit != nil && request.Exit.Status == http.StatusUnauthorized && strings.HasPrefix(verdict, "FAILED:"):
		return refuses, nil
	}
	return cannot, fmt.Errorf("%s: neither a pass nor a 401: %+v, %q", v.name, request.Exit, verdict)
}

// each runs f for all, some at once, and returns the first error.
func each[T any](all []T, atOnce int, f func(T) error) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, one := range all {
		group.Go(func() error { return f(one) })
	}
	return group.Wait()
}
