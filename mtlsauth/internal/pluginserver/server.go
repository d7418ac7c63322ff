package pluginserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
)

// Plugin is what a server serves.
type Plugin interface {
	// Start makes an instance of a configuration, JSON as Kong sends it. It
	// never fails: a configuration that is refused gives an instance whose
	// events exit. It must not wait for anything, since Kong holds back all
	// requests of the worker for that configuration meanwhile.
	Start(config []byte) Instance
}

// Instance is one configuration in one of Kong's workers.
type Instance interface {
	// Handle handles one phase of one request. It may be called many times at
	// once. An error, a panic and a missing answer all give the event its
	// [Options].Fault.
	Handle(e *Event) error
	// Close is called once, when no event can come any more.
	Close()
}

// Options are what a server needs to know. All fields but HandleJSON, PIDFile and Log are required.
type Options struct {
	Plugin Plugin
	// Info answers GetPluginNames and GetPluginInfo, which Kong 3.9 never asks.
	Info *kong_plugin_protocol.PluginInfo
	// Fault logs what went wrong in an event, which is logged nowhere else, and
	// returns the answer to it, one that exits. It may ask Kong: an answer of
	// Kong's that is not there is no reason for another fault. The error of a
	// panic has its stack below the first line.
	Fault func(e *Event, err error) Calls
	IDs   *IDs
	// HandleJSON, if given, serves frames that are JSON objects, as no call of
	// Kong's is. An error closes the connection, as does a panic.
	HandleJSON func(*Exchange) error
	// PIDFile, if given, has the process id of Kong's master process. When that has
	// ended too, Run does not wait for another server after the end of stdin.
	PIDFile string
	Log     *slog.Logger // nil: nowhere
}

// How long instances are kept after their last event. Kong starts all
// its instances again when it names one that is unknown, so an instance is
// not given up lightly; one that Kong has closed may still have an event on
// its way.
const (
	unusedFor  = time.Hour
	closedFor  = time.Minute
	sweepEvery = time.Minute

	// maxInstances is how many are kept in any case: twenty times ten
	// thousand configurations, in 50 MiB. Beyond it those that were not used for
	// the longest time go earlier, but none that was used within closedFor.
	maxInstances = 200_000
)

// Server serves Kong's workers.
type Server struct {
	options   Options
	instances instances

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}

	draining atomic.Bool
	replaced atomic.Bool   // another server has taken the socket
	drain    chan struct{} // closed when draining begins

	running sync.WaitGroup // connections
}

// New returns a server without a listener.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		options:   o,
		instances: instances{ids: o.IDs, log: o.Log, epoch: time.Now(), byID: make(map[int32]*instance)},
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		drain:     make(chan struct{}),
	}
}

// Serve accepts connections until Shutdown, after which it returns nil. A
// failing Accept (no descriptors left, say) is tried again, less and less
// often: the connections that are there go on.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	sweeper := time.NewTicker(sweepEvery)
	defer sweeper.Stop()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case now := <-sweeper.C:
				s.instances.sweep(now)
			case <-stop:
				return
			}
		}
	}()
	pause := time.Duration(0)
	for {
		c, err := l.Accept()
		if err == nil {
			pause = 0
			s.start(c)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.options.Log.Warn("accepting a connection", "error", err, "pause", pause)
		time.Sleep(pause)
	}
}

func (s *Server) start(c net.Conn) {
	connection := newConn(s, c)
	s.mu.Lock()
	s.conns[connection] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()
	if s.draining.Load() {
		connection.hangUp()
	}
	go func() {
		defer s.running.Done()
		connection.serve()
		s.mu.Lock()
		delete(s.conns, connection)
		s.mu.Unlock()
	}()
}

// fault is Options.Fault, whose own panic leaves the plain answer.
func (s *Server) fault(e *Event, err error) (calls Calls) {
	defer func() {
		if r := recover(); r != nil {
			s.options.Log.Error("logging a fault", "panic", r, "fault", err)
		}
	}()
	return s.options.Fault(e, err)
}

// hangUp closes all connections on which no call is being served.
func (s *Server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.hangUp()
	}
}

// lastCalls is how long connections that Kong opened just before the end are
// still accepted: left in the listener's queue they would be reset, and a
// reset is a 500 where a plain close makes Kong turn to the next server.
const lastCalls = 50 * time.Millisecond

// Shutdown stops accepting, lets running events finish and closes every
// connection between events, in a way that Kong takes as "ask again". It
// returns when all is done or ctx ends, whatever is left then being cut.
func (s *Server) Shutdown(ctx context.Context) {
	if !s.draining.Swap(true) {
		close(s.drain)
	}
	s.hangUp()
	s.mu.Lock()
	listeners := s.listeners
	s.listeners = make(map[net.Listener]struct{})
	s.mu.Unlock()

	select {
	case <-time.After(lastCalls):
	case <-ctx.Done():
	}
	for l := range listeners {
		l.Close()
	}
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		<-done
	}
	s.instances.closeAll()
}
