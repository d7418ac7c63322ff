package kong

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// Job is requests to be made. The n-th is made with the n-th configuration and
// the n-th evidence, from the beginning again after the last.
type Job struct {
	Configs  []string
	Evidence string
	From     int  // the evidence to begin with
	Shuffle  bool // evidence in no order, and configurations too

	Requests    int
	Connections int // at the same time; 0 is 1
	// Rate is how many are due in a second, whether others are answered or not;
	// 0 has each connection begin one when the last is answered.
	Rate float64
}

// begin waits until the n-th request is due and returns the instant that its
// latency counts from: when it was due, if it had to wait for a connection, and
// otherwise now, since that a sleep was too long is not the server's doing.
func (j Job) begin(n int, started time.Time) time.Time {
	if j.Rate == 0 {
		return time.Now()
	}
	due := started.Add(time.Duration(float64(n) / j.Rate * float64(time.Second)))
	late := time.Since(due)
	if late >= 0 {
		return due
	}
	time.Sleep(-late)
	return time.Now()
}

// Result is how a job went.
type Result struct {
	Requests             int
	Took                 time.Duration
	P50, P99, P999, Most time.Duration
}

// Rate is how many requests were answered in a second.
func (r Result) Rate() float64 { return float64(r.Requests) / r.Took.Seconds() }

func (p *part) run(j Job) (Result, error) {
	evidence := p.evidence[j.Evidence]
	if len(evidence) == 0 {
		return Result{}, fmt.Errorf("no evidence %q", j.Evidence)
	}
	configs := make([]*rpc.Config, len(j.Configs))
	for i, name := range j.Configs {
		if configs[i] = p.configs[name]; configs[i] == nil {
			return Result{}, fmt.Errorf("no configuration %q", name)
		}
	}
	if len(configs) == 0 {
		return Result{}, fmt.Errorf("no configuration")
	}
	var (
		next    atomic.Int64
		wrong   firstError
		stop    atomic.Bool
		wg      sync.WaitGroup
		started = time.Now()
		took    = make([][]time.Duration, max(1, j.Connections))
	)
	for c := range took {
		took[c] = make([]time.Duration, 0, j.Requests/len(took)+1)
		wg.Go(func() {
			for !stop.Load() {
				n := int(next.Add(1) - 1)
				if n >= j.Requests {
					return
				}
				begun := j.begin(n, started)
				e, config := &evidence[(j.From+n)%len(evidence)], configs[n%len(configs)]
				if j.Shuffle {
					e, config = &evidence[rand.IntN(len(evidence))], configs[rand.IntN(len(configs))]
				}
				r := e.Request()
				p.client.Access(r, config)
				r.End()
				took[c] = append(took[c], time.Since(begun))
				if err := e.Want.Check(r); err != nil {
					wrong.set(fmt.Errorf("request %d: %w", n, err))
					stop.Store(true)
				}
			}
		})
	}
	wg.Wait()
	if wrong.err != nil {
		return Result{}, wrong.err
	}
	return ResultOf(slices.Concat(took...), time.Since(started)), nil
}

// ResultOf returns the result of requests that took so long each, and all of
// them together took. It sorts latencies.
func ResultOf(latencies []time.Duration, took time.Duration) Result {
	slices.Sort(latencies)
	at := func(part float64) time.Duration {
		if len(latencies) == 0 {
			return 0
		}
		return latencies[min(len(latencies)-1, int(part*float64(len(latencies))))]
	}
	return Result{
		Requests: len(latencies), Took: took,
		P50: at(0.5), P99: at(0.99), P999: at(0.999), Most: at(1),
	}
}
