package itglue

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxPooled bounds a pool against a flood of made-up keys.
const maxPooled = 10_000

// LimiterPool hands out one Limiter per API key. It knows keys by their
// SHA-256 only and is safe for concurrent use.
type LimiterPool struct{ keyed[Limiter] }

// NewLimiters returns a pool whose limiters each allow so many requests in any
// 5 minutes; a number below 1 means DefaultRequestsPer5Minutes.
func NewLimiters(requestsPer5Minutes int) *LimiterPool {
	return NewSharedLimiters(requestsPer5Minutes, nil)
}

// NewSharedLimiters is NewLimiters for several processes that use the same
// keys: the number is for all of them together, see Ledger.
func NewSharedLimiters(requestsPer5Minutes int, ledger Ledger) *LimiterPool {
	return &LimiterPool{keyed[Limiter]{
		make: func(apiKey string) *Limiter {
			limiter := NewLimiter(requestsPer5Minutes)
			if ledger != nil {
				limiter.share = newShare(ledger, apiKey, requestsPer5Minutes)
			}

			return limiter
		},
		idle: (*Limiter).idle,
	}}
}

// ForKey returns the limiter of the key, the same at every call. Beyond 10,000
// keys the pool forgets limiters, first those that are idle anyway, then the
// one that was asked for longest ago: ask again for each new Client rather
// than holding a Limiter for days.
func (p *LimiterPool) ForKey(apiKey string) *Limiter { return p.get(apiKey, apiKey) }

// BreakerPool hands out one Breaker per API key and address. As a LimiterPool
// it knows keys by their hash, forgets, and is safe for concurrent use.
type BreakerPool struct{ keyed[Breaker] }

// NewBreakers returns a pool of closed breakers.
func NewBreakers() *BreakerPool {
	return &BreakerPool{keyed[Breaker]{
		make: func(string) *Breaker { return new(Breaker) },
		idle: func(b *Breaker, _ time.Time) bool { return b.idle() },
	}}
}

// ForKey returns the breaker of the key at the address, the same at every call.
func (p *BreakerPool) ForKey(apiKey, baseURL string) *Breaker {
	return p.get(baseURL+"\x00"+apiKey, apiKey)
}

// keyed holds one T per text.
type keyed[T any] struct {
	make func(apiKey string) *T
	idle func(value *T, now time.Time) bool

	mu      sync.Mutex
	entries map[[sha256.Size]byte]*pooled[T]
}

type pooled[T any] struct {
	value  *T
	usedAt time.Time
}

func (p *keyed[T]) get(text, apiKey string) *T {
	hash := sha256.Sum256([]byte(text))
	now := time.Now()

	p.mu.Lock()
	defer p.mu.Unlock()

	if p.entries == nil {
		p.entries = make(map[[sha256.Size]byte]*pooled[T])
	}

	entry, ok := p.entries[hash]
	if !ok {
		p.makeRoom(now)

		entry = &pooled[T]{value: p.make(apiKey)}
		p.entries[hash] = entry
	}

	entry.usedAt = now

	return entry.value
}

func (p *keyed[T]) makeRoom(now time.Time) {
	if len(p.entries) < maxPooled {
		return
	}

	var (
		oldest   [sha256.Size]byte
		oldestAt = now
	)

	for hash, entry := range p.entries {
		if p.idle(entry.value, now) {
			delete(p.entries, hash)

			continue
		}

		if !entry.usedAt.After(oldestAt) {
			oldest, oldestAt = hash, entry.usedAt
		}
	}

	if len(p.entries) >= maxPooled {
		delete(p.entries, oldest)
	}
}
