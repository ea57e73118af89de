// Package api is a small sample: one of everything that the generator has to understand.
//
// @title sample
// @version 1
// @description A sample.
// @license.name Apache-2.0
// @BasePath /api/v1
// @tag.name things
// @tag.description What there is.
// @tag.name health
// @tag.description Is it alive.
// @securityDefinitions.apikey BearerAuth
// @in header
// @name Authorization
// @description A token.
package api
