package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	luafiles "mtls-auth/kong"
	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// routedKong is a real Kong with every route, and the clients for it.
type routedKong struct {
	*realkong.Kong
	*routing
	clients load.Clients
}

// startKong starts plugin servers, upstream, Kong and clients, which have so many
// certificates for new connections, and returns when every route answers as it
// should. b stops all of them but Kong.
func (b *bench) startKong(command string, workers, certificates int) (*routedKong, error) {
	k := new(routedKong)
	var err error
	if k.routing, err = b.routing(); err != nil {
		return nil, err
	}
	upstream, address, err := load.StartUpstream()
	if err != nil {
		return nil, err
	}
	b.running = append(b.running, upstream)
	o := realkong.Options{Command: command, NoAdmin: true, NoAccessLog: true, Servers: k.servers}
	if o.Prefix, err = b.folder(); err != nil {
		return nil, err
	}
	if o.LuaPath, err = b.folder(); err != nil {
		return nil, err
	}
	if _, err := luafiles.Write(o.LuaPath, nativeName); err != nil {
		return nil, err
	}
	if o.Config, err = declarative(k.routes, "http://"+address, b.root.PEM()); err != nil {
		return nil, err
	}
	o.Workers, o.LogLevel, o.SSLVerifyClient = workers, "notice", "optional_no_ca"
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if k.Kong, err = realkong.Start(ctx, o); err != nil {
		return nil, err
	}
	if err := b.meet(ctx, k, certificates); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// meet starts the clients and sees that every route answers as it should.
func (b *bench) meet(ctx context.Context, k *routedKong, certificates int) error {
	key := newKey(p256)
	client := func() *pki.Certificate {
		return b.root.Client("client", pki.Key(key), pki.DNS("client.example"))
	}
	usual := client()
	o := load.Options{
		Address: strings.TrimPrefix(k.URLTLS(), "https://"), Root: string(k.RootPEM()), Cert: usual.PEM(), Key: usual.KeyPEM(),
	}
	var more strings.Builder
	for range certificates {
		more.WriteString(client().PEM())
	}
	o.More = b.path(".pem")
	err := os.WriteFile(o.More, []byte(more.String()), 0o600)
	if err != nil {
		return err
	}
	if k.clients, err = load.Start(o); err != nil {
		return err
	}
	b.running = append(b.running, k.clients.Process)
	for _, r := range k.routes {
		for {
			err := k.check(r)
			if err == nil {
				break
			}
			select { // a worker may not have read its configuration yet
			case <-ctx.Done():
				return fmt.Errorf("%s: %w", r.name, err)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

// check sees that upstream gets what a route's plugin adds.
func (k *routedKong) check(r *route) error {
	body, err := k.clients.Get(r.request(load.Shows + ": 1\r\n"))
	if err != nil {
		return err
	}
	return r.seen(body)
}

// seen says whether a request is what upstream should see.
func (r *route) seen(request string) error {
	for _, want := range r.sees {
		if !strings.Contains(strings.ToLower(request), "\n"+strings.ToLower(want)+"\n") {
			return fmt.Errorf("upstream does not see %q: %q", want, request)
		}
	}
	return nil
}

// usual are header lines that clients send with their requests: what plugins do to
// headers costs more the more there are.
const usual = "User-Agent: bench/1.0\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n" +
	"Authorization: Bearer 0af7651916cd43dd8448eb211c80319c\r\nX-Request-Id: b7ad6b7169203331\r\n" +
	"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

// request returns a request to a route, with header lines besides its own and the
// usual ones.
func (r *route) request(lines string) string {
	if r.apikey != "" {
		lines += "apikey: " + r.apikey + "\r\n"
	}
	return "GET " + r.path + " HTTP/1.1\r\nHost: localhost\r\n" + usual + lines + "\r\n"
}

// workerTime returns the processor time of Kong's workers, to the nanosecond
// where Linux tells it (sched-stats.rst, /proc/PID/schedstat): a visit is short,
// and a tick of WorkerTime is a hundredth of a second.
func (k *routedKong) workerTime() (time.Duration, error) {
	pids, err := k.Workers()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			return k.WorkerTime()
		}
		spent, err := parseSchedstat(string(text))
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		sum += spent
	}
	return sum, nil
}

// parseSchedstat returns the processor time in /proc/PID/schedstat, its first
// field.
func parseSchedstat(text string) (time.Duration, error) {
	spent, _, _ := strings.Cut(text, " ")
	ns, err := strconv.ParseInt(spent, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading schedstat: %w", err)
	}
	return time.Duration(ns), nil
}
