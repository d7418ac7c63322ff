package signature

import (
	"crypto/rand"
	"math/big"
	"slices"
	"testing"
)

// TestHasSmallFactor compares it with division, one prime after another.
func TestHasSmallFactor(t *testing.T) {
	var primes []*big.Int
	for p := int64(2); p < 752; p++ {
		if n := big.NewInt(p); n.ProbablyPrime(0) {
			primes = append(primes, n)
		}
	}
	plain := func(n *big.Int) bool {
		return slices.ContainsFunc(primes, func(p *big.Int) bool { return new(big.Int).Rem(n, p).Sign() == 0 })
	}
	found, tries := map[bool]int{}, 100_000
	if testing.Short() {
		tries = 10_000
	}
	for _, size := range []uint{64, 1024, 2048, 2052, 4096, 8192, 8256, 16384} {
		for range 1 + tries/int(size) {
			n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), size))
			if err != nil {
				t.Fatal(err)
			}
			n.SetBit(n, int(size)-1, 1)
			// Most numbers have a small factor: go on to one that has none.
			for n.SetBit(n, 0, 1); plain(n); n.Add(n, big.NewInt(2)) {
				if !hasSmallFactor(n) {
					t.Fatalf("%v: no factor is found", n)
				}
				found[true]++
			}
			if hasSmallFactor(n) {
				t.Fatalf("%v: a factor is found", n)
			}
			found[false]++
		}
	}
	for _, p := range primes {
		if !hasSmallFactor(new(big.Int).Mul(p, new(big.Int).SetBit(big.NewInt(1), 4000, 1))) {
			t.Errorf("%d is not found", p)
		}
	}
	t.Log(found)
}

func BenchmarkHasSmallFactor(b *testing.B) {
	n, err := rand.Prime(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		hasSmallFactor(n)
	}
}
