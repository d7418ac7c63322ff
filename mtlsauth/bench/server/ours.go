package server

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/bench/role"
)

// Ours says how our server is to run. Prefix and CADir are folders that exist.
type Ours struct {
	Name             string // of the plugin; "": mtls-auth
	Prefix, CADir    string
	CRLDir, StateDir string        // "" for none
	Declarative      string        // -declarative-config; "" for none
	Refresh          time.Duration // 0: ten seconds, the default
	Log              string        // a file for what it prints; "" for none
}

// startOurs runs the plugin server as the program does, with a pipe for stdin
// whose end ends it.
func startOurs(o Ours) (role.Part, error) {
	if o.Refresh == 0 {
		o.Refresh = 10 * time.Second
	}
	if o.Name == "" {
		o.Name = "mtls-auth"
	}
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	printed := io.Discard
	if o.Log != "" {
		file, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		printed = file
	}
	ended := make(chan error, 1)
	go func() {
		ended <- mtlsauth.Serve(mtlsauth.ServerOptions{
			Name: o.Name, Prefix: o.Prefix, SocketMode: 0o600, MinRSABits: 2048,
			CADir: o.CADir, DeclarativeConfig: o.Declarative, Refresh: o.Refresh,
			CRLDir: o.CRLDir, StateDir: o.StateDir, MaxCRLSize: 128 << 20,
		}, in, printed)
	}()
	socket := filepath.Join(o.Prefix, o.Name+".socket")
	if err := awaitSocket(socket, ended); err != nil {
		return nil, err
	}
	return &listening{socket: socket, end: func() error {
		out.Close() // as when Kong's worker ends
		return <-ended
	}}, nil
}
