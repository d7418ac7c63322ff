package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// simulation is one seed in one mode.
type simulation struct {
	t        *testing.T
	mode     string
	seed     int
	random   *rand.Rand // of the schedule alone
	upstream *httptest.Server
	kong     *fakekong.Kong
	log      *logs
	proxy    *proxy // nil: Kong reaches the server itself
	admin    *admin // nil: the server reads Kong's own
	prefix   string
	socket   string // the server's
	crlDir   string
	stateDir string
	a, b, d  *authority
	cas      map[string]*pki.Certificate
	clients  []*client
	turning  []*client // are revoked in the course of it
	eras     []era     // the last one is in force
	active   []active  // faults that have begun and not ended
	began    []event
	small    bool // the server has little memory
	wrongs   int  // answers

	mu      sync.Mutex
	records []record
}

// event is a fault that has begun.
type event struct {
	name  string
	kinds string
	at    time.Time
	until time.Time // zero: to the end
}

type active struct {
	name, on string
	end      func()
}

// record is a request and what came of it.
type record struct {
	client   *client
	route    route
	from, to time.Time
	status   int
	id       string // of the request, in Kong's log
	who      string
	err      error
}

func simulate(t *testing.T, mode string, seed int, all *figures) {
	s := &simulation{t: t, mode: mode, seed: seed, random: rand.New(rand.NewPCG(uint64(seed), uint64(len(mode)))), log: newLogs()}
	t.Cleanup(func() {
		if t.Failed() {
			for _, e := range s.began {
				t.Logf("%s %s", e.at.Format("15:04:05.000"), e.name)
			}
			t.Logf("again: go test ./mtlsauth/e2e/faults -mode %s -seed %d -seeds 1", mode, seed)
		}
	})
	s.start()
	s.calm("before the first fault")
	s.began[0].until = time.Now()
	before := s.usage()
	stop := s.load()
	s.schedule()
	stop()
	took := s.calm("after the last fault")
	s.judge()
	after := s.leaks(before)
	all.add(s, took, after)
}

// start makes the PKI, and starts Kong with the server.
func (s *simulation) start() {
	t := s.t
	dir := t.TempDir()
	s.prefix = filepath.Join(dir, "kong")
	s.crlDir, s.stateDir = filepath.Join(dir, "crl"), filepath.Join(dir, "state")
	for _, d := range []string{s.prefix, s.crlDir, s.stateDir} {
		s.must(os.MkdirAll(d, 0o700))
	}
	s.socket = filepath.Join(s.prefix, "mtls-auth.socket")
	s.people()
	s.upstream = httptest.NewServer(fakekong.Echo)
	t.Cleanup(s.upstream.Close)
	now := time.Now()
	s.eras = []era{{world: world{hasC: true, consumer: true, mapped: "one"}, from: now}}
	if s.mode == pluginServerMode && s.random.IntN(2) == 0 {
		var err error
		s.admin, err = newAdmin()
		s.must(err)
		t.Cleanup(s.admin.close)
	}
	o := anykong.Options{
		Prefix: s.prefix, Config: s.declarative(s.eras[0].world), Workers: 2, LogLevel: "info", LogOutput: s.log,
		QueryCommand: program + " -dump -kong-prefix " + s.prefix, StartCommand: s.command(),
		ReadTimeout: 5 * time.Second, ClaimTimeout: 5 * time.Second, ReloadGrace: time.Second,
	}
	if s.small = s.random.IntN(5) == 0; s.small && !raceEnabled {
		o.StartCommand = "env GOMEMLIMIT=40MiB " + o.StartCommand
	}
	if s.mode == luaMode {
		o.LuaPath = luaPath
	}
	if s.random.IntN(2) == 0 {
		o.Socket = filepath.Join(s.prefix, "proxy.socket")
		var err error
		s.proxy, err = newProxy(o.Socket, s.socket, s.mode == pluginServerMode, rand.New(rand.NewPCG(uint64(s.seed), 1)))
		s.must(err)
		t.Cleanup(s.proxy.close)
	}
	s.began = []event{{name: "the start", kinds: process + evident, at: now}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	s.kong, err = fakekong.Start(ctx, o)
	s.must(err)
	t.Cleanup(s.kong.Close)
	if s.admin != nil {
		s.admin.tell(s.kong.AdminURL())
	}
}

func (s *simulation) command() string {
	command := fmt.Sprintf("%s -kong-prefix %s -refresh 1s -crl-dir %s -state-dir %s", program, s.prefix, s.crlDir, s.stateDir)
	if s.admin != nil {
		command += " -admin-url " + s.admin.url
	}
	return command
}

func (s *simulation) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// people makes CAs and clients. Each certificate is of one tenant.
func (s *simulation) people() {
	s.a, s.b, s.d = newAuthority(idA, "A"), newAuthority(idB1, "B1"), newAuthority(idD, "D")
	for _, a := range []*authority{s.a, s.b} {
		s.must(a.listen())
		s.t.Cleanup(a.close)
	}
	rootB, rootC := pki.NewCA("B"), pki.NewCA("C")
	s.b.issuer = rootB.Intermediate("B1")
	s.d.file = filepath.Join(s.crlDir, "d.crl")
	c := &authority{id: idC, issuer: rootC.Intermediate("C1")}
	s.cas = map[string]*pki.Certificate{idA: s.a.issuer, idB: rootB, idB1: s.b.issuer, idC: rootC, idD: s.d.issuer}
	add := func(a *authority, name string, wrong []string, options ...pki.Option) *client {
		one := &client{name: name, authority: a, wrong: wrong}
		one.cert = a.issuer.Client(name, options...)
		s.clients = append(s.clients, one)
		return one
	}
	ocsp, crl := pki.OCSPServer(s.a.url), pki.CRLDistributionPoint(s.b.url+"/ca.crl")
	add(s.a, "a-good", nil, ocsp)
	add(s.a, "a-other", nil, ocsp)
	add(s.a, "a-nameless", nil, ocsp)
	add(s.a, "a-expired", []string{"expired"}, ocsp, pki.Expired())
	add(s.a, "a-server", []string{"wrong_usage"}, ocsp, pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth))
	add(s.b, "b-good", nil, crl)
	add(c, "c-good", nil)
	add(s.d, "d-good", nil)
	for a, name := range map[*authority]string{s.a: "a-revoked", s.b: "b-revoked"} {
		a.revoke(add(a, name, nil, ocsp, crl))
	}
	s.turning = []*client{add(s.a, "a-turns", nil, ocsp), add(s.b, "b-turns", nil, crl), add(s.d, "d-turns", nil)}
	s.clients = append(s.clients, &client{name: "none"},
		&client{name: "stranger", cert: pki.NewCA("stranger").Client("a-good")},
		&client{name: "forger", cert: s.a.other.Client("a-good", ocsp)}) // of another CA called A
	s.must(s.d.publish(false))
}

// configure tells Kong of another world.
func (s *simulation) configure(change func(*world)) {
	next := s.eras[len(s.eras)-1].world
	change(&next)
	began := time.Now()
	s.must(s.kong.Configure(s.declarative(next)))
	s.eras[len(s.eras)-1].to = time.Now()
	s.eras = append(s.eras, era{world: next, from: began})
}

// web is a client's way to Kong: its sessions are resumed, its connections are kept or not.
func (s *simulation) web(c *client, kept bool) *http.Client {
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	config.RootCAs.AppendCertsFromPEM(s.kong.RootPEM())
	if c.cert != nil {
		pair := c.cert.TLS()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: !kept}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 90 * time.Second}
}

// ask makes a request that claims to be someone else's.
func (s *simulation) ask(web *http.Client, c *client, r route) record {
	out := record{client: c, route: r, from: time.Now()}
	request, err := http.NewRequest(http.MethodGet, s.kong.URLTLS()+r.path, nil)
	s.must(err)
	for _, name := range []string{"X-Consumer-Username", "X-Client-Cert-Dn", "x_consumer_username"} {
		request.Header[name] = []string{"forged"}
	}
	response, err := web.Do(request)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if out.to, out.err = time.Now(), err; err == nil {
		out.status, out.id = response.StatusCode, response.Header.Get("X-Kong-Request-Id")
	}
	if out.status == http.StatusOK {
		var seen fakekong.Echoed
		s.must(json.Unmarshal(body, &seen))
		var who []string
		for name, values := range seen.Headers {
			if n := strings.ReplaceAll(strings.ToLower(name), "_", "-"); n == "x-consumer-username" || n == "x-client-cert-dn" {
				who = append(who, values...)
			}
		}
		out.who = strings.Join(who, " and ")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, out)
	return out
}

// load makes requests of all clients on all routes until it is stopped.
func (s *simulation) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for n := range 3 {
		random := rand.New(rand.NewPCG(uint64(s.seed), uint64(100+n)))
		all.Go(func() {
			webs := map[*client][2]*http.Client{}
			for ctx.Err() == nil {
				c := s.clients[random.IntN(len(s.clients))]
				r := routes[random.IntN(len(routes))]
				if c.authority != nil && random.IntN(2) == 0 { // more often where it is known
					for _, own := range routes {
						if ids := own.trusted(world{}); random.IntN(2) == 0 && ids[len(ids)-1] == c.authority.id {
							r = own
						}
					}
				}
				if _, ok := webs[c]; !ok {
					webs[c] = [2]*http.Client{s.web(c, false), s.web(c, true)}
				}
				s.ask(webs[c][random.IntN(2)], c, r)
				time.Sleep(time.Duration(random.IntN(80)) * time.Millisecond)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}
