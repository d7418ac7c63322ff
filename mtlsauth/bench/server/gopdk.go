package server

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	pdk "github.com/Kong/go-pdk"
	pdkserver "github.com/Kong/go-pdk/server"

	"mtls-auth/mtlsauth/bench/role"
)

// GoPDK says which plugin go-pdk's own server is to run.
type GoPDK struct {
	Prefix string
	Plugin string // "six", "two", "one", "empty" or "naive"
	Naive  Naive  // for "naive"
}

// startGoPDK runs go-pdk's server, which has no end but the process's and takes
// its name from the program's.
func startGoPDK(o GoPDK) (role.Part, error) {
	var constructor func() any
	switch o.Plugin {
	case "six":
		constructor = func() any { return new(sixCalls) }
	case "two":
		constructor = func() any { return new(twoCalls) }
	case "one":
		constructor = func() any { return new(oneCall) }
	case "empty":
		constructor = func() any { return new(empty) }
	case "naive":
		n, err := newNaive(o.Naive)
		if err != nil {
			return nil, err
		}
		constructor = func() any { return n }
	default:
		return nil, fmt.Errorf("no plugin %q", o.Plugin)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	os.Args = []string{os.Args[0], "-kong-prefix", o.Prefix}
	log.SetOutput(io.Discard) // it logs each connection's end
	ended := make(chan error, 1)
	go func() { ended <- pdkserver.StartServer(constructor, "0.1.0", 1) }()
	socket := filepath.Join(o.Prefix, filepath.Base(program)+".socket")
	if err := awaitSocket(socket, ended); err != nil {
		return nil, err
	}
	return &listening{socket: socket}, nil
}

// sixCalls is a plugin that looks at the certificate, verifies nothing and
// gives a full answer.
type sixCalls struct{}

func (*sixCalls) Access(kong *pdk.PDK) {
	cert, err := kong.Nginx.GetVar("ssl_client_raw_cert")
	if err != nil || cert == "" {
		kong.Response.Exit(401, nil, nil)
		return
	}
	if _, err := kong.Ctx.GetSharedAny("mtls_auth_client_chain"); err != nil { // nil where nobody hands it over
		kong.Response.Exit(401, nil, nil)
		return
	}
	answerInFull(kong)
}

// answerInFull makes the four calls of a full answer.
func answerInFull(kong *pdk.PDK) error {
	if err := kong.ServiceRequest.SetHeaders(map[string][]string{
		"X-Client-Cert-Dn": {"CN=client"}, "X-Client-Cert-San": {"client.example"},
		"X-Consumer-ID": {}, "X-Consumer-Custom-ID": {}, "X-Consumer-Username": {},
		"X-Credential-Identifier": {}, "X-Anonymous-Consumer": {},
	}); err != nil {
		return err
	}
	if err := kong.Ctx.SetShared("authenticated_groups", []any{"client"}); err != nil {
		return err
	}
	if err := kong.Nginx.SetCtx("authenticated_credential", map[string]any{"id": CAID}); err != nil {
		return err
	}
	return kong.Nginx.SetCtx("CLIENT_VERIFY_OVERRIDE", "SUCCESS")
}

// twoCalls is a plugin that looks at the certificate and sets a header.
type twoCalls struct{}

func (*twoCalls) Access(kong *pdk.PDK) {
	cert, err := kong.Nginx.GetVar("ssl_client_raw_cert")
	if err != nil || cert == "" {
		kong.Response.Exit(401, nil, nil)
		return
	}
	kong.ServiceRequest.SetHeader("X-Client-Cert-Dn", "CN=client")
}

// oneCall is a plugin that looks at the certificate.
type oneCall struct{}

func (*oneCall) Access(kong *pdk.PDK) {
	if cert, err := kong.Nginx.GetVar("ssl_client_raw_cert"); err != nil || cert == "" {
		kong.Response.Exit(401, nil, nil)
	}
}

// empty is a plugin that does nothing.
type empty struct{}

func (*empty) Access(*pdk.PDK) {}
