package signature

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
)

// primeProduct is a product of small odd primes that fits into a word, with
// what makes dividing by it quick: it is asked of every RSA key.
type primeProduct struct {
	product uint64
	powers  [MaxRSABits / 64]uint64 // of 2^64, reduced by product
	primes  []smallPrime
}

// smallPrime divides r exactly if r times its inverse is at most limit.
type smallPrime struct{ inverse, limit uint64 }

// primeProducts are all odd primes below 752.
var primeProducts = func() []primeProduct {
	all := []primeProduct{{product: 1}}
	for p := uint64(3); p < 752; p += 2 {
		if !new(big.Int).SetUint64(p).ProbablyPrime(0) {
			continue
		}
		if high, _ := bits.Mul64(all[len(all)-1].product, p); high > 0 {
			all = append(all, primeProduct{product: 1})
		}
		last := &all[len(all)-1]
		last.product *= p
		inverse := p // modulo 2^64: each step doubles the bits that are right, from 3
		for range 5 {
			inverse *= 2 - p*inverse
		}
		last.primes = append(last.primes, smallPrime{inverse, math.MaxUint64 / p})
	}
	for i := range all {
		power := uint64(1)
		for j := range all[i].powers {
			all[i].powers[j] = power
			_, power = bits.Div64(power, 0, all[i].product)
		}
	}
	return all
}()

// hasSmallFactor reports a number of at most MaxRSABits bits that a prime below
// 752 divides.
func hasSmallFactor(n *big.Int) bool {
	if n.Bit(0) == 0 {
		return true
	}
	var buffer [MaxRSABits / 8]byte
	var digits [MaxRSABits / 64]uint64
	size := (n.BitLen() + 63) / 64
	n.FillBytes(buffer[:8*size])
	for i := range size {
		digits[i] = binary.BigEndian.Uint64(buffer[8*(size-1-i):])
	}
	for i := range primeProducts {
		p := &primeProducts[i]
		var low, middle, high uint64 // the sum of each digit times its power
		for j, digit := range digits[:size] {
			h, l := bits.Mul64(digit, p.powers[j])
			var carry uint64
			low, carry = bits.Add64(low, l, 0)
			middle, carry = bits.Add64(middle, h, carry)
			high += carry
		}
		_, r := bits.Div64(high, middle, p.product) // high counts digits
		_, r = bits.Div64(r, low, p.product)
		for _, prime := range p.primes {
			if r*prime.inverse <= prime.limit {
				return true
			}
		}
	}
	return false
}
