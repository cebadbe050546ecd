import { ResourceOwnerPassword } from 'simple-oauth2'
import { Configuration, None, allowInsecureRequests, genericGrantRequest } from 'openid-client'

