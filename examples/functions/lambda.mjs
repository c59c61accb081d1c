/** A handler as it is written for AWS Lambda, taken as it is. */
export const handler = async (event, context) => {
  const name = event.queryStringParameters?.name ?? 'world'
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      text: `hello ${name}`,
      requestId: context.awsRequestId,
      left: context.getRemainingTimeInMillis(),
    }),
  }
}
