// Package api is the HTTP edge: routes, authentication, strict reading of requests and the wire format of answers and errors. It is
// the only package that knows echo; what decides lives in the feature packages.
//
// @title orgbridge
// @version 1
// @description Keeps the organizations of a managed service provider in step with IT Glue: connect the account, map each
// @description organization to one IT Glue organization, and let syncs keep the names equal.
// @description
// @description **Authentication.** Send `Authorization: Bearer TOKEN` with every request. A token belongs to one account and has a
// @description role: `viewer` reads, `admin` reads and writes, `operator` manages accounts and has no access to their contents. Where the
// @description operator has set up an identity provider, its JWTs are taken as well; account and role, `viewer` or `admin`, are in them.
// @description
// @description **Lists** come in pages: pass `limit` (1 to 200, default 50) and, for the next page, `nextCursor` of the answer as
// @description `cursor`, with the same filters. It is null on the last page. `count=true` adds `total`.
// @description
// @description **Errors** are problems (RFC 9457) of the media type `application/problem+json`. Branch on `code`, which is stable.
// @description `detail` is for people and may change. `validation-failed` lists all faults of the request in `errors`. Unknown fields
// @description and unknown query parameters are refused.
// @description
// @description **Limits.** Each token may make a number of requests a minute; every answer to it says in `RateLimit` how many are left,
// @description and in `RateLimit-Policy` how many there are. Beyond it the answer is 429 `quota-exceeded`, with `Retry-After`. So is the
// @description answer to an address that has shown too many bad tokens.
// @description
// @description **Values.** Times are RFC 3339 in UTC. Ids are UUIDs; IT Glue's own ids are strings of digits. Every answer carries
// @description `X-Request-Id`: name it when you ask the operator for help. New fields and new values of enumerations may be added.
// @contact.name orgbridge
// @contact.url https://github.com/orgbridge/orgbridge
// @license.name Apache-2.0
// @BasePath /api/v1
// @accept json
// @produce json
// @tag.name Access
// @tag.description Who the caller is, and the account's tokens.
// @tag.name Accounts
// @tag.description For operators: accounts, without what they hold.
// @tag.name Integration
// @tag.description The account's connection to IT Glue, and the IT Glue organizations to choose from.
// @tag.name Organizations
// @tag.description The account's own customer organizations.
// @tag.name Mappings
// @tag.description Which IT Glue organization each organization is mapped to; one to one in both directions.
// @tag.name Syncs
// @tag.description Runs that read the list of IT Glue organizations, plan changes and make them.
// @tag.name Events
// @tag.description What happened, who did it, and what it was before and after.
// @tag.name Health
// @tag.description For load balancers and supervisors.
// @securityDefinitions.apikey BearerAuth
// @in header
// @name Authorization
// @description The token alone, such as `orgb_…`, or a JWT of the identity provider; the page adds "Bearer".
package api
