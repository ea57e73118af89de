package api

import (
	"context"
	"crypto/sha256"
	"net"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
)

const (
	// manyAddresses is of how many addresses a process remembers that they showed bad tokens, and manyProven how many good tokens.
	manyAddresses = 10_000
	manyProven    = 50_000
	// Who has one address of IPv6 has all of its network.
	networkBits = 64
)

// attempts limits how often an address shows tokens that open nothing. An address that did it too often is not heard, except with tokens
// that were good before: those who share it with the one who guesses, behind a router or a proxy, go on. A nil value limits nothing.
type attempts struct {
	failures *limiters[netip.Prefix]
	// proven holds hashes of tokens that were good when they were last shown. They are not taken for good: each is looked up.
	proven *lru.Cache[[sha256.Size]byte, struct{}]
}

func newAttempts(perMinute int, now func() time.Time) (*attempts, error) {
	failures, err := newLimiters[netip.Prefix](perMinute, manyAddresses, now)
	if failures == nil || err != nil {
		return nil, err
	}
	proven, err := lru.New[[sha256.Size]byte, struct{}](manyProven)
	return &attempts{failures: failures, proven: proven}, err
}

// authenticate finds out who holds the secret. It answers [errs.QuotaExceeded] when the address has shown too many bad ones.
func (a *attempts) authenticate(
	ctx context.Context, address, secret string, authenticator Authenticator,
) (account.Principal, error) {
	if a == nil {
		return authenticator.Authenticate(ctx, secret)
	}
	hash := sha256.Sum256([]byte(secret))
	limiter, now := a.failures.get(networkOf(address)), a.failures.now()
	attempt, err := a.begin(limiter, hash, now)
	if err != nil {
		return account.Principal{}, err
	}
	who, err := authenticator.Authenticate(ctx, secret)
	a.end(limiter, attempt, hash, now, err)
	return who, err
}

// begin takes a failure from what is left to the address, which end gives back if it was none: of many attempts at the same time no more
// are heard than that. A proven token takes none.
func (a *attempts) begin(limiter *rate.Limiter, hash [sha256.Size]byte, now time.Time) (*rate.Reservation, error) {
	if a.proven.Contains(hash) {
		return nil, nil //nolint:nilnil // nothing is reserved
	}
	attempt := limiter.ReserveN(now, 1)
	wait := attempt.DelayFrom(now)
	if wait == 0 {
		return attempt, nil
	}
	attempt.CancelAt(now)
	return nil, errs.New(errs.QuotaExceeded, "Too many tokens from this address were refused. Wait as Retry-After says.").After(wait)
}

func (a *attempts) end(limiter *rate.Limiter, attempt *rate.Reservation, hash [sha256.Size]byte, now time.Time, err error) {
	bad := errs.Is(err, errs.Unauthenticated)
	switch {
	case err == nil:
		a.proven.Add(hash, struct{}{})
	case bad:
		a.proven.Remove(hash)
	}
	switch {
	case attempt == nil && bad:
		limiter.AllowN(now, 1)
	case attempt != nil && !bad:
		attempt.CancelAt(now)
	}
}

// networkOf is whom an address stands for.
func networkOf(address string) netip.Prefix {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{} // all who have none share one
	}
	parsed = parsed.Unmap().WithZone("")
	bits := networkBits
	if parsed.Is4() {
		bits = parsed.BitLen()
	}
	network, _ := parsed.Prefix(bits) // the bits fit
	return network
}

// clientAddress says how to find out a client's address: the other end of the connection or, when that is a trusted proxy, the last one
// in X-Forwarded-For that is none.
func clientAddress(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trusted := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		trusted = append(trusted, echo.TrustIPRange(&net.IPNet{
			IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(trusted...)
}
