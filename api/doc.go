// Package api is the HTTP edge: routes, authentication, strict reading of requests and the wire format of answers and errors. It is
// the only package that knows echo; what decides lives in the feature packages.
//
// @title orgbridge
// @version 1
// @description Keeps the organizations of a managed service provider in step with IT Glue: connect an account, map
// @description organizations one to one, and let syncs keep the names equal. Errors are RFC 9457 problems with a stable `code`;
// @description lists are paged with `limit` and an opaque `cursor`. Every answer carries `X-Request-Id`.
// @license.name Apache-2.0
// @BasePath /api/v1
// @accept json
// @produce json
// @tag.name Access
// @tag.description Who the caller is.
// @tag.name Integration
// @tag.description The account's connection to IT Glue and the directory of its organizations.
// @tag.name Organizations
// @tag.description The account's own customer organizations.
// @tag.name Mappings
// @tag.description One row for each organization: which IT Glue organization it is mapped to.
// @tag.name Syncs
// @tag.description Runs that list IT Glue, plan and apply changes.
// @tag.name Health
// @tag.description For load balancers and supervisors.
// @securityDefinitions.apikey BearerAuth
// @in header
// @name Authorization
// @description A token, written as `Bearer <token>`.
package api
