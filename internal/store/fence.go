package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// scope is whose data a unit of work sees and changes. The account guard holds its statements to it, and PostgreSQL its rows.
type scope struct {
	account string // an account's id; nothing means that no account's data is seen
	every   bool
}

// of is the scope of one account. What cannot be an account's id is the scope of none.
func of(accountID string) scope {
	if !isID(accountID) {
		return scope{}
	}
	return scope{account: accountID}
}

// ofEvery is the scope of what is done for all accounts, or to find out the account.
func ofEvery() scope { return scope{every: true} }

// ofNone is the scope of what has to do with no account's data.
func ofNone() scope { return scope{} }

// is tells whether a value is the id of the scope's account, or of any where all are in it.
func (sc scope) is(value any) bool {
	id, ok := value.(string)
	return ok && id != "" && (id == sc.account || sc.every)
}

type scopeKey struct{}

// within notes the scope for the guard and for the beginning of a transaction.
func (sc scope) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, scopeKey{}, sc)
}

// scopeOf is the scope of the unit of work that ctx belongs to, none if there is no such unit.
func scopeOf(ctx context.Context) scope {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	return sc
}

const (
	accountSetting = "orgbridge.account_id"
	everySetting   = "orgbridge.every_account"
)

// begin begins a transaction whose row-level security lets pass what is in the scope, in one round trip. An account is known to look like
// an id, so it needs no quoting.
func (sc scope) begin(readOnly bool) string {
	begin, every := "BEGIN", ""
	if readOnly {
		begin = "BEGIN READ ONLY"
	}
	if sc.every {
		every = "on"
	}
	return fmt.Sprintf("%s; SELECT set_config('%s', '%s', true), set_config('%s', '%s', true)",
		begin, accountSetting, sc.account, everySetting, every)
}

// fencedConnector gives connections whose transactions are fenced.
type fencedConnector struct{ driver.Connector }

// openFenced is the pool for database/sql. It has no connections of its own.
func openFenced(pool *pgxpool.Pool) *sql.DB {
	db := sql.OpenDB(fencedConnector{stdlib.GetPoolConnector(pool)})
	db.SetMaxIdleConns(0)
	return db
}

func (c fencedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	plain, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("unexpected connection %T", conn), conn.Close())
	}
	return fencedConn{plain}, nil
}

// fencedConn is a connection on which transactions begin with their scope. Outside of transactions it shows no account's data.
type fencedConn struct{ *stdlib.Conn }

// BeginTx begins a transaction in the scope of ctx.
func (c fencedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	conn := c.Conn.Conn()
	if conn.IsClosed() {
		return nil, driver.ErrBadConn
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: scopeOf(ctx).begin(o.ReadOnly)})
	if err != nil {
		return nil, err
	}
	return fencedTx{ctx: ctx, tx: tx}, nil
}

// fencedTx keeps its context, since database/sql ends transactions without one.
type fencedTx struct {
	ctx context.Context //nolint:containedctx // see above
	tx  pgx.Tx
}

// Commit ends the transaction, and with it the scope.
func (t fencedTx) Commit() error { return t.tx.Commit(t.ctx) }

// Rollback ends the transaction, and with it the scope.
func (t fencedTx) Rollback() error { return t.tx.Rollback(t.ctx) }
