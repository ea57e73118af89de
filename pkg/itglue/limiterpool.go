package itglue

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxPooledLimiters bounds a pool against a flood of made-up keys.
const maxPooledLimiters = 10_000

// LimiterPool hands out one Limiter per API key. It knows keys by their
// SHA-256 only and is safe for concurrent use.
type LimiterPool struct {
	requestsPer5Minutes int

	mu       sync.Mutex
	limiters map[[sha256.Size]byte]*pooledLimiter
}

type pooledLimiter struct {
	limiter *Limiter
	usedAt  time.Time
}

// NewLimiters returns a pool whose limiters each allow so many requests in any
// 5 minutes; a number below 1 means DefaultRequestsPer5Minutes.
func NewLimiters(requestsPer5Minutes int) *LimiterPool {
	return &LimiterPool{
		requestsPer5Minutes: requestsPer5Minutes,
		limiters:            make(map[[sha256.Size]byte]*pooledLimiter),
	}
}

// ForKey returns the limiter of the key, the same at every call. Beyond 10,000
// keys the pool forgets limiters, first those that are idle anyway, then the
// one that was asked for longest ago: ask again for each new Client rather
// than holding a Limiter for days.
func (p *LimiterPool) ForKey(apiKey string) *Limiter {
	hash := sha256.Sum256([]byte(apiKey))
	now := time.Now()

	p.mu.Lock()
	defer p.mu.Unlock()

	entry, ok := p.limiters[hash]
	if !ok {
		p.makeRoom(now)

		entry = &pooledLimiter{limiter: NewLimiter(p.requestsPer5Minutes)}
		p.limiters[hash] = entry
	}

	entry.usedAt = now

	return entry.limiter
}

func (p *LimiterPool) makeRoom(now time.Time) {
	if len(p.limiters) < maxPooledLimiters {
		return
	}

	var (
		oldest   [sha256.Size]byte
		oldestAt = now
	)

	for hash, entry := range p.limiters {
		if entry.limiter.idle(now) {
			delete(p.limiters, hash)

			continue
		}

		if !entry.usedAt.After(oldestAt) {
			oldest, oldestAt = hash, entry.usedAt
		}
	}

	if len(p.limiters) >= maxPooledLimiters {
		delete(p.limiters, oldest)
	}
}
