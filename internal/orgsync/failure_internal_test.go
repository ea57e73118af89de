package orgsync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

func TestDecideFailure(t *testing.T) {
	t.Parallel()
	limited := &itglue.Error{Kind: itglue.KindRateLimited, RetryAfter: time.Hour}
	for name, c := range map[string]struct {
		attempt     int
		waited      time.Duration
		err         error
		requeue     bool
		code        errs.Code // empty: no failure is recorded
		credentials Credentials
		atLeast     time.Duration
		deferred    bool
	}{
		"CancelledCallIsOurFault": {err: fmt.Errorf("list: %w", context.Canceled), requeue: true, code: errs.Internal},
		"DatabaseTooSlow": {
			err: errs.New(errs.Unavailable, "x").Because(context.DeadlineExceeded), requeue: true, code: errs.Unavailable, deferred: true,
		},
		"RequestTooSlow": {
			err: fmt.Errorf("%w: %w", &itglue.Error{Kind: itglue.KindUnavailable}, context.DeadlineExceeded), requeue: true,
			code: errs.ITGlueUnavailable,
		},
		"UnavailableIsTriedAgain":           {err: &itglue.Error{Kind: itglue.KindUnavailable}, requeue: true, code: errs.ITGlueUnavailable, atLeast: retryBase / 2},
		"LaterAttemptsWaitLonger":           {attempt: 2, err: &itglue.Error{Kind: itglue.KindTimeout}, requeue: true, code: errs.ITGlueTimeout, atLeast: 40 * time.Second},
		"LastAttemptFails":                  {attempt: 3, err: &itglue.Error{Kind: itglue.KindUnavailable}, code: errs.ITGlueUnavailable},
		"RetryAfterIsObeyed":                {err: limited, requeue: true, code: errs.ITGlueRateLimited, atLeast: time.Hour, deferred: true},
		"LimitUsesUpNoAttempt":              {attempt: 3, err: limited, requeue: true, code: errs.ITGlueRateLimited, atLeast: time.Hour, deferred: true},
		"LimitWithoutATimeIsAMinute":        {err: &itglue.Error{Kind: itglue.KindRateLimited}, requeue: true, code: errs.ITGlueRateLimited, atLeast: time.Minute, deferred: true},
		"LimitOfANightFails":                {waited: 12 * time.Hour, err: limited, code: errs.ITGlueRateLimited},
		"RubbishIsTriedAgain":               {err: &itglue.Error{Kind: itglue.KindMalformed}, requeue: true, code: errs.ITGlueBadAnswer},
		"NoListIsABadAnswer":                {err: &itglue.Error{Kind: itglue.KindNotFound}, requeue: true, code: errs.ITGlueBadAnswer},
		"RejectedKeyFailsAtOnce":            {err: &itglue.Error{Kind: itglue.KindRejectedKey}, code: errs.ITGlueKeyRejected, credentials: CredentialsRejected},
		"IncompleteListingGivesUp":          {err: errs.New(errs.ITGlueListingIncomplete, "x"), code: errs.ITGlueListingIncomplete},
		"UnforeseenIsTriedAgainWithoutText": {err: errors.New("secret"), requeue: true, code: errs.Internal, atLeast: retryBase / 2},
		"UnforeseenFailsInTheEnd":           {attempt: 3, err: errors.New("secret"), code: errs.Internal},
		"DatabaseAwayUsesUpNoAttempt":       {attempt: 3, err: errs.New(errs.Unavailable, "x"), requeue: true, code: errs.Unavailable, atLeast: retryBase / 2, deferred: true},
		"DatabaseAwayForLongWaitsLonger":    {waited: 30 * time.Minute, err: errs.New(errs.Unavailable, "x"), requeue: true, code: errs.Unavailable, atLeast: outagePause, deferred: true},
		"DatabaseAwayForTooLongCounts":      {attempt: 2, waited: time.Hour, err: errs.New(errs.Unavailable, "x"), requeue: true, code: errs.Unavailable},
		"DatabaseAwayForTooLongFails":       {attempt: 3, waited: time.Hour, err: errs.New(errs.Unavailable, "x"), code: errs.Unavailable},
		"UnreadableKeyUsesUpAttempts":       {err: errs.New(errs.Unavailable, "x").Because(integration.ErrUnreadableKey), requeue: true, code: errs.Unavailable},
		"UnreadableKeyFailsInTheEnd":        {attempt: 3, err: errs.New(errs.Unavailable, "x").Because(integration.ErrUnreadableKey), code: errs.Unavailable},
		"TooLongIsATimeout":                 {err: fmt.Errorf("x: %w", context.DeadlineExceeded), requeue: true, code: errs.ITGlueTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := decideFailure(c.attempt, c.waited, c.err)
			if d.deferred != c.deferred {
				t.Errorf("deferred: %t", d.deferred)
			}
			if d.requeue != c.requeue || d.credentials != c.credentials || d.delay < c.atLeast {
				t.Errorf("decision %+v", d)
			}
			if c.code == "" && d.failure != nil {
				t.Errorf("failure %+v recorded", d.failure)
			}
			if c.code != "" && (d.failure == nil || d.failure.Code != c.code || d.failure.Detail == "secret") {
				t.Errorf("failure %+v, want code %s", d.failure, c.code)
			}
		})
	}
}
