package itglue

import (
	"context"
	"time"
)

// ParseRetryAfter opens parseRetryAfter to the tests.
func ParseRetryAfter(value string, now time.Time) time.Duration { return parseRetryAfter(value, now) }

// Wait opens Limiter.wait to the tests.
func (l *Limiter) Wait(ctx context.Context, longest time.Duration) error {
	return l.wait(ctx, "test", longest)
}

// Len returns how many limiters the pool holds.
func (p *LimiterPool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return len(p.entries)
}

// MaxPooledLimiters is maxPooled.
const MaxPooledLimiters = maxPooled

// DecodePage decodes a page of organizations.
func DecodePage(body []byte, number int) ([]Organization, error) {
	decoded, err := decodePage[organizationAttributes](body, organizationsType, number)
	if err != nil {
		return nil, err
	}

	organizations := make([]Organization, len(decoded.resources))
	for i, row := range decoded.resources {
		if organizations[i], err = toOrganization(row); err != nil {
			return nil, err
		}
	}

	return organizations, nil
}

// BackoffAll opens Limiter.backoff to the tests.
func BackoffAll(ctx context.Context, l *Limiter, d time.Duration) { l.backoff(ctx, d) }
