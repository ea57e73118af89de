package api

import (
	"fmt"
	"math"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/orgbridge/orgbridge/internal/errs"
)

const (
	quotaHeader  = "Ratelimit" // RateLimit, as Go writes it
	policyHeader = "Ratelimit-Policy"
	// manyTokens is for how many tokens a process remembers what they have used; of more, the ones unused for the longest time begin anew.
	manyTokens = 50_000
)

// limiters are one limiter for each of many keys, all of the same rate: so much a minute, and no more at once. It keeps the ones that
// were used last. The nil value limits nothing.
type limiters[K comparable] struct {
	perMinute int
	now       func() time.Time
	of        *lru.Cache[K, *rate.Limiter]
}

// newLimiters returns nil when there is no limit.
func newLimiters[K comparable](perMinute, size int, now func() time.Time) (*limiters[K], error) {
	if perMinute <= 0 {
		return nil, nil //nolint:nilnil // limits nothing
	}
	cache, err := lru.New[K, *rate.Limiter](size)
	return &limiters[K]{perMinute: perMinute, now: now, of: cache}, err
}

func (l *limiters[K]) get(key K) *rate.Limiter {
	if known, ok := l.of.Get(key); ok {
		return known
	}
	fresh := rate.NewLimiter(rate.Limit(float64(l.perMinute)/time.Minute.Seconds()), l.perMinute)
	if known, ok, _ := l.of.PeekOrAdd(key, fresh); ok {
		return known // somebody was faster
	}
	return fresh
}

// after is how long it takes until so many more are allowed.
func (l *limiters[K]) after(missing float64) time.Duration {
	return time.Duration(max(0, missing) / float64(l.perMinute) * float64(time.Minute))
}

// spend takes one request from the quota of a token, and tells the client what is left of it. It answers [errs.QuotaExceeded] when nothing
// was left.
func spend(h http.Header, quota *limiters[string], tokenID string) error {
	if quota == nil {
		return nil
	}
	limiter, now := quota.get(tokenID), quota.now()
	allowed := limiter.AllowN(now, 1)
	left := max(0, limiter.TokensAt(now))
	h.Set(policyHeader, fmt.Sprintf(`"default";q=%d;w=60`, quota.perMinute))
	h.Set(quotaHeader, fmt.Sprintf(`"default";r=%d;t=%d`, int(left), seconds(quota.after(float64(quota.perMinute)-left))))
	if allowed {
		return nil
	}
	return errs.New(errs.QuotaExceeded, "This token has made %d requests in a minute, which is the most. Wait as Retry-After says.",
		quota.perMinute).After(quota.after(1 - left))
}

// seconds is a time in whole seconds, not too short.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
