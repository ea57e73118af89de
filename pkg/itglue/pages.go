package itglue

import (
	"context"
	"iter"
)

// minPageSize is where halving ends: 1000, 500, 250, 125.
const minPageSize = 125

// OrganizationPages lists all organizations, sorted by id, in as few requests
// as IT Glue allows: 1,000 a page. It starts anew each time it is ranged over.
//
// When a page takes IT Glue too long, the page size is halved (down to 125, as
// IT Glue's documentation advises) and the listing goes on where it was. After
// an error, which is yielded with a zero Page, the listing ends.
//
// The listing ends with the page that IT Glue calls the last. It is KindMalformed
// if it goes on beyond what the first page announced by more than two pages.
// Whether it is whole is for the caller to judge, see Page.
func (c *Client) OrganizationPages(ctx context.Context) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		sweep := sweep{client: c, number: 1, size: MaxPageSize}

		for {
			found, err := sweep.next(ctx)
			if !yield(found, err) || err != nil || found.Last {
				return
			}
		}
	}
}

// sweep is the state of one listing: the page to read next.
type sweep struct {
	client       *Client
	number, size int
	started      bool
	announced    int // organizations, by the first page
}

func (s *sweep) next(ctx context.Context) (Page, error) {
	if s.started && s.number > pagesFor(s.announced, s.size)+2 {
		return Page{}, s.client.malformed("list organizations", "the listing does not end")
	}

	for {
		found, err := s.read(ctx)
		if KindOf(err) == KindTimeout && ctx.Err() == nil && s.size > minPageSize {
			s.halve()

			continue
		}

		if err != nil {
			return Page{}, err
		}

		if !s.started {
			s.started, s.announced = true, found.TotalCount
		}

		s.number++

		return found, nil
	}
}

func (s *sweep) read(ctx context.Context) (Page, error) {
	return s.client.organizationsPage(ctx, s.number, s.size, request{
		op: "list organizations", timeout: s.client.config.PageTimeout, timeoutIsFinal: s.size > minPageSize,
	})
}

// halve keeps the position: (number-1)·size organizations have been read, and
// size is even as long as it is above minPageSize.
func (s *sweep) halve() {
	s.number = 2*(s.number-1) + 1
	s.size /= 2
}

func pagesFor(count, size int) int {
	return (count + size - 1) / size
}
